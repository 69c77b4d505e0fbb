package dev.inflight.protocol.link;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.inflight.protocol.checkpoint.Dtype;
import dev.inflight.protocol.cluster.LoadMode;
import dev.inflight.protocol.link.WorkerMessage.Abort;
import dev.inflight.protocol.link.WorkerMessage.Begin;
import dev.inflight.protocol.link.WorkerMessage.Dump;
import dev.inflight.protocol.link.WorkerMessage.Load;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.EOFException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.Channels;
import java.nio.channels.ReadableByteChannel;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import net.jqwik.api.constraints.LongRange;
import net.jqwik.api.constraints.Size;
import net.jqwik.api.constraints.UniqueElements;
import org.junit.jupiter.api.Test;

class LinkCodecTest {
    @Property(tries = 200)
    void loadsSurviveTheWire(
            @ForAll @LongRange(min = 0) long epoch,
            @ForAll @IntRange(min = 0) int bucket,
            @ForAll Dtype dtype,
            @ForAll @Size(max = 5) List<@LongRange(min = 0) Long> shape,
            @ForAll @Size(max = 20) @UniqueElements List<Character> names)
            throws IOException {
        Load load = new Load(
                epoch,
                bucket,
                3,
                names.stream()
                        .filter(name -> !Character.isSurrogate(name))
                        .map(name -> new TensorPart("layer." + name, dtype, shape, 256, 12, 1L << 40))
                        .toList());
        byte[] frame = frame(load);
        assertThat(LinkCodec.decodeWorkerMessage(json(frame))).isEqualTo(load);
    }

    @Property(tries = 200)
    void framesAreCutWhereTheyEndHoweverTheyArrive(
            @ForAll @Size(min = 1, max = 6) List<@IntRange(min = 0, max = 200_000) Integer> lengths,
            @ForAll @IntRange(min = 1, max = 70_000) int pace)
            throws IOException {
        ByteArrayOutputStream stream = new ByteArrayOutputStream();
        for (int length : lengths) {
            stream.write(frame(new Abort(1, "x".repeat(length))));
        }
        FrameReader frames = new FrameReader(slowly(stream.toByteArray(), pace));
        for (int length : lengths) {
            assertThat(LinkCodec.decodeWorkerMessage(frames.next())).isEqualTo(new Abort(1, "x".repeat(length)));
        }
        assertThat(frames.next()).isNull();
    }

    @Property(tries = 100)
    void aStreamCutInsideAFrameIsAnError(@ForAll @IntRange(min = 1, max = 41) int kept) throws IOException {
        byte[] frame = frame(new Abort(1, "no"));
        assertThat(frame).hasSizeGreaterThan(41);
        FrameReader frames = new FrameReader(Channels.newChannel(new ByteArrayInputStream(frame, 0, kept)));
        assertThatThrownBy(frames::next).isInstanceOf(EOFException.class);
    }

    @Test
    void aMessageTooLongForAFrameIsNotEncoded() {
        Abort abort = new Abort(1, "x".repeat(LinkCodec.MAX_FRAME_BYTES));
        assertThatThrownBy(() -> LinkCodec.encode(abort))
                .isInstanceOf(LinkException.class)
                .hasMessageContaining("abort: the frame would have 16777254 bytes, at most 16777216 are allowed");
    }

    @Test
    void errorsNameTheFieldAndWhereItIs() {
        assertRefused("""
                {"verb":"load","epoch":1,"bucket":0,"slot":0,"tensors":[
                  {"name":"w","dtype":"F32","shape":[1],"offset":0,"bytes":"4","begin":0}]}""", "load.tensors[0]: field \"bytes\" must be an integer from 0 to 2^63-1");
        assertRefused("{\"verb\":\"end\"}", "end: field \"epoch\" is missing; it must be an integer from 0 to 2^63-1");
        assertRefused("{\"verb\":\"loaded\",\"epoch\":1,\"bucket\":0}", "unknown verb \"loaded\"");
    }

    @Test
    void rulesOfWhatAnEngineWantsAreCheckedAndNamed() {
        String one = "{\"pattern\":\"*\",\"take\":true}";
        assertHelloRefused(
                "{\"pattern\":\"\",\"take\":true}",
                "hello.wants[0]: field \"pattern\": a pattern has 1 to 256 bytes, this one has 0");
        assertHelloRefused(
                one + ",{\"pattern\":\"*\"}", "hello.wants[1]: field \"take\" is missing; it must be true or false");
        assertHelloRefused((one + ",").repeat(512) + one, "hello: field \"wants\" has 513 rules; 512 are the most");
    }

    private static void assertHelloRefused(String wants, String message) {
        String hello = """
                {"verb":"hello","protocol":1,"engine":"e","pid":1,"model":"m","device":{"kind":"host"},"tpRank":0,
                 "tpSize":1,"modes":["shadow"],"wholeTensors":false,"wants":[%s]}""".formatted(wants);
        assertThatThrownBy(() -> LinkCodec.decodeEngineMessage(hello.getBytes(StandardCharsets.UTF_8)))
                .isInstanceOf(LinkException.class)
                .hasMessage(message);
    }

    @Test
    void slotsOfBothKindsSurviveTheWire() throws IOException {
        String handle = "0f".repeat(32) + "AB".repeat(32);
        Begin begin = new Begin(
                1,
                "m",
                "v",
                "d",
                LoadMode.SHADOW,
                0,
                0,
                List.of(
                        new SlotRef(0, SlotMemory.shm("/dev/shm/s", 0, 8)),
                        new SlotRef(1, new SlotMemory.Cuda(handle, "GPU-1", 1L << 40, 1L << 30))));
        assertThat(LinkCodec.decodeWorkerMessage(json(frame(begin)))).isEqualTo(begin);
        Dump dump = new Dump(1, new SlotMemory.Cuda(handle, "GPU-1", 0, 8), List.of());
        assertThat(LinkCodec.decodeWorkerMessage(json(frame(dump)))).isEqualTo(dump);
    }

    @Test
    void slotsThatAreNeitherKindAreRefused() {
        String dump = "{\"verb\":\"dump\",\"id\":1,\"tensors\":[],\"slot\":{\"offset\":0,\"bytes\":1,%s}}";
        assertRefused(dump.formatted("\"kind\":\"disk\""), "dump.slot: unknown slot kind \"disk\"");
        assertRefused(
                dump.formatted("\"kind\":\"cuda\",\"device\":\"GPU-1\",\"handle\":\"%s\"".formatted("0".repeat(127))),
                "dump.slot: field \"handle\" must be 128 hex digits");
        assertThatThrownBy(() -> new SlotMemory.Cuda("g".repeat(128), "GPU-1", 0, 8))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("128 hex digits");
    }

    @Test
    void aFieldGivenTwiceIsRefused() {
        assertRefused("{\"verb\":\"end\",\"epoch\":1,\"epoch\":2}", "Duplicate field 'epoch'");
    }

    @Test
    void utf16IsRefused() {
        byte[] utf16 = "{\"verb\":\"end\",\"epoch\":1}".getBytes(StandardCharsets.UTF_16);
        assertThatThrownBy(() -> LinkCodec.decodeWorkerMessage(utf16)).isInstanceOf(LinkException.class);
    }

    private static void assertRefused(String json, String message) {
        assertThatThrownBy(() -> LinkCodec.decodeWorkerMessage(json.getBytes(StandardCharsets.UTF_8)))
                .isInstanceOf(LinkException.class)
                .hasMessageContaining(message);
    }

    private static byte[] frame(LinkMessage message) throws LinkException {
        ByteBuffer frame = LinkCodec.encode(message);
        byte[] bytes = new byte[frame.remaining()];
        frame.get(bytes);
        return bytes;
    }

    private static byte[] json(byte[] frame) {
        return Arrays.copyOfRange(frame, LinkCodec.LENGTH_BYTES, frame.length);
    }

    /** A channel that gives at most {@code pace} bytes at a time, as sockets do. */
    private static ReadableByteChannel slowly(byte[] bytes, int pace) {
        ByteBuffer left = ByteBuffer.wrap(bytes);
        return new ReadableByteChannel() {
            @Override
            public int read(ByteBuffer target) {
                if (!left.hasRemaining()) {
                    return -1;
                }
                int count = Math.min(pace, Math.min(left.remaining(), target.remaining()));
                target.put(target.position(), left, left.position(), count).position(target.position() + count);
                left.position(left.position() + count);
                return count;
            }

            @Override
            public boolean isOpen() {
                return true;
            }

            @Override
            public void close() {}
        };
    }
}
