package dev.inflight.worker.update;

import dev.inflight.protocol.cluster.EngineStatus;
import dev.inflight.protocol.cluster.LoadMode;
import dev.inflight.protocol.link.EngineDevice;
import dev.inflight.protocol.link.EngineMessage;
import dev.inflight.protocol.link.FrameReader;
import dev.inflight.protocol.link.LinkCodec;
import dev.inflight.protocol.link.SlotMemory;
import dev.inflight.protocol.link.TensorPart;
import dev.inflight.protocol.link.WorkerMessage;
import dev.inflight.worker.cuda.CudaStream;
import dev.inflight.worker.cuda.DeviceBuffer;
import dev.inflight.worker.device.CudaDevice;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;

/**
 * An engine in this process that copies tensors from GPU slots to the heap. A process can not open its own IPC handles,
 * so it is told beforehand which memory they stand for.
 */
final class GpuEngine implements AutoCloseable {
    /** What it was told to load, by tensor. */
    final Map<String, byte[]> tensors = new ConcurrentHashMap<>();

    private final SocketChannel channel;
    private final FrameReader frames;
    private final Map<String, DeviceBuffer> memories;
    private final CudaStream stream;
    private final Map<Integer, SlotMemory.Cuda> slots = new HashMap<>();
    private final List<WorkerMessage.Load> unanswered = new ArrayList<>();
    private final Thread thread;
    private volatile CountDownLatch loading = new CountDownLatch(1);
    private volatile boolean mute;

    /** @param memories of the worker's rings, by handle in hex */
    private GpuEngine(Path socket, CudaDevice device, Map<String, DeviceBuffer> memories) throws IOException {
        this.channel = SocketChannel.open(UnixDomainSocketAddress.of(socket));
        this.frames = new FrameReader(channel);
        this.memories = memories;
        this.stream = device.context().newStream();
        this.thread = Thread.ofPlatform().daemon().name("gpu-engine").unstarted(this::serve);
    }

    static GpuEngine attach(Path socket, CudaDevice device, List<DeviceBuffer> rings) throws IOException {
        var memories = new HashMap<String, DeviceBuffer>();
        rings.forEach(ring -> memories.put(HexFormat.of().formatHex(ring.ipcHandle()), ring));
        var engine = new GpuEngine(socket, device, memories);
        engine.say(new EngineMessage.Hello(
                LinkCodec.PROTOCOL,
                "engine-" + device.id(),
                ProcessHandle.current().pid(),
                "m",
                new EngineDevice(EngineDevice.Kind.CUDA, device.id()),
                0,
                1,
                List.of(),
                List.of(LoadMode.IN_PLACE, LoadMode.SHADOW),
                false,
                null,
                null));
        engine.thread.start();
        return engine;
    }

    /** From now on loads are not answered, until an update is aborted. */
    void hang() {
        loading = new CountDownLatch(1);
        mute = true;
    }

    /** Waits for the first load since it was told to hang. */
    void awaitLoad() throws InterruptedException {
        loading.await();
    }

    private void serve() {
        try {
            byte[] frame = frames.next();
            while (frame != null) {
                answer(LinkCodec.decodeWorkerMessage(frame));
                frame = frames.next();
            }
        } catch (IOException e) {
            // The link is closed at the end of the test.
        } finally {
            stream.close();
        }
    }

    private void answer(WorkerMessage message) throws IOException {
        switch (message) {
            case WorkerMessage.Begin begin -> {
                slots.clear();
                tensors.clear();
                begin.slots().forEach(slot -> slots.put(slot.id(), (SlotMemory.Cuda) slot.memory()));
                say(new EngineMessage.Begun(begin.epoch()));
            }
            case WorkerMessage.Load load -> {
                loading.countDown();
                if (mute) {
                    unanswered.add(load);
                } else {
                    load(load);
                }
            }
            case WorkerMessage.End end -> say(new EngineMessage.Ended(end.epoch(), tensors.size()));
            case WorkerMessage.Commit commit -> say(new EngineMessage.Committed(commit.epoch(), commit.version(), 0));
            case WorkerMessage.Abort abort -> {
                mute = false;
                // Answers come in order.
                for (var load : unanswered) {
                    say(new EngineMessage.Loaded(load.epoch(), load.bucket()));
                }
                unanswered.clear();
                say(new EngineMessage.Aborted(abort.epoch(), EngineStatus.State.PENDING_WEIGHTS, null));
            }
            default -> {
                // A welcome needs no answer, and these tests ask for no dump.
            }
        }
    }

    private void load(WorkerMessage.Load load) throws IOException {
        var slot = slots.get(load.slot());
        var memory = slot == null ? null : memories.get(slot.handle());
        if (slot == null || memory == null) {
            say(new EngineMessage.Failed(
                    load.epoch(), load.bucket(), null, "slot " + load.slot() + " is in no known ring"));
            return;
        }
        try (var arena = Arena.ofConfined()) {
            for (var part : load.tensors()) {
                if (part.bytes() > 0) {
                    var host = arena.allocate(part.bytes());
                    stream.copyOut(memory, slot.offset() + part.offset(), host);
                    stream.synchronize();
                    place(part, host.toArray(ValueLayout.JAVA_BYTE));
                }
            }
        }
        say(new EngineMessage.Loaded(load.epoch(), load.bucket()));
    }

    /** All tensors of these tests are of single bytes. */
    private void place(TensorPart part, byte[] bytes) {
        var tensor = tensors.computeIfAbsent(
                part.name(), name -> new byte[Math.toIntExact(part.shape().getFirst())]);
        System.arraycopy(bytes, 0, tensor, Math.toIntExact(part.begin()), bytes.length);
    }

    private void say(EngineMessage message) throws IOException {
        ByteBuffer bytes = LinkCodec.encode(message);
        while (bytes.hasRemaining()) {
            channel.write(bytes);
        }
    }

    @Override
    public void close() throws IOException {
        channel.close();
        try {
            thread.join();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
