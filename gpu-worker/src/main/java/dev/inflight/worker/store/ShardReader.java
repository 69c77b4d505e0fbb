package dev.inflight.worker.store;

import dev.inflight.protocol.checkpoint.BlockHasher;
import dev.inflight.protocol.checkpoint.BlockSums;
import dev.inflight.protocol.checkpoint.TensorSpec;
import dev.inflight.protocol.plan.Shard;
import dev.inflight.protocol.plan.ShardOffsets;
import dev.inflight.protocol.plan.Slice;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.BooleanSupplier;
import java.util.function.LongConsumer;
import org.jspecify.annotations.Nullable;

/**
 * Reads one shard with several threads and sums the bytes where they arrive, so that the sums also cover the copy. Each
 * call starts its own threads and returns only when they have ended; interrupting the caller ends them early.
 */
public final class ShardReader {
    private final TensorFiles files;
    private final int threads;
    private final LongConsumer progress;

    /**
     * @param files must stay open during calls
     * @param threads how many threads read
     * @param progress told how many more bytes are done, a block at a time, by the reading threads
     */
    public ShardReader(TensorFiles files, int threads, LongConsumer progress) {
        if (threads < 1) {
            throw new IllegalArgumentException("threads is " + threads + ", not at least 1");
        }
        this.files = files;
        this.threads = threads;
        this.progress = progress;
    }

    /**
     * Copies a shard into memory as {@link ShardOffsets} lays it out.
     *
     * @param destination at least {@link ShardOffsets#bytes()} long and accessible from any thread
     * @return the sums of the bytes in {@code destination}
     * @throws dev.inflight.protocol.checkpoint.CheckpointException if a file can not be read
     * @throws InterruptedException if interrupted; the destination then holds anything
     */
    public BlockSums read(Shard shard, MemorySegment destination) throws InterruptedException {
        ShardOffsets offsets = ShardOffsets.of(shard);
        if (destination.byteSize() < offsets.bytes()) {
            throw new IllegalArgumentException("shard " + shard.index() + " takes " + offsets.bytes()
                    + " bytes, the destination has " + destination.byteSize());
        }
        return sums(shard, (block, sums) -> {
            long offset = offsets.offset(block.slice);
            Slice bytes = block.bytes();
            files.read(bytes, destination, offset + bytes.begin() - block.whole.begin());
            sums.sum(block.slice, block.number, destination, offset);
        });
    }

    /**
     * Sums the bytes of a shard in its mapped files, without a copy.
     *
     * @throws dev.inflight.protocol.checkpoint.CheckpointException if a file can not be mapped
     */
    public BlockSums sumInPlace(Shard shard) throws InterruptedException {
        return sums(shard, (block, sums) -> {
            TensorSpec tensor = files.layout().tensors().get(block.whole.tensor());
            sums.sum(block.slice, block.number, files.map(tensor.file()), tensor.begin() + block.whole.begin());
        });
    }

    private interface Work {
        void run(Block block, BlockSums.Builder sums);
    }

    /** The unit of work: small enough to be summed while still in the cache. */
    private record Block(int slice, Slice whole, int number) {
        Slice bytes() {
            long begin = whole.begin() + (long) number * BlockHasher.BLOCK_BYTES;
            return new Slice(whole.tensor(), begin, Math.min(begin + BlockHasher.BLOCK_BYTES, whole.end()));
        }
    }

    private static List<Block> blocks(Shard shard) {
        List<Block> blocks = new ArrayList<>();
        for (int slice = 0; slice < shard.slices().size(); slice++) {
            Slice whole = shard.slices().get(slice);
            for (int number = 0; number < BlockHasher.blocks(whole.bytes()); number++) {
                blocks.add(new Block(slice, whole, number));
            }
        }
        return blocks;
    }

    private BlockSums sums(Shard shard, Work work) throws InterruptedException {
        BlockSums.Builder sums = new BlockSums.Builder(shard);
        List<Block> blocks = blocks(shard);
        AtomicInteger next = new AtomicInteger();
        inParallel(() -> {
            int taken = next.getAndIncrement();
            if (taken >= blocks.size()) {
                return false;
            }
            Block block = blocks.get(taken);
            work.run(block, sums);
            progress.accept(block.bytes().bytes());
            return true;
        });
        return sums.build();
    }

    /** Runs a step on all threads until it returns false or throws, or the caller is interrupted. */
    private void inParallel(BooleanSupplier step) throws InterruptedException {
        AtomicBoolean stopped = new AtomicBoolean();
        AtomicReference<@Nullable Throwable> failure = new AtomicReference<>();
        var started = Thread.ofPlatform().name("shard-reader-", 0).daemon();
        List<Thread> readers = new ArrayList<>();
        for (int i = 0; i < threads; i++) {
            readers.add(started.start(() -> {
                try {
                    boolean more = true;
                    while (more && !stopped.get()) {
                        more = step.getAsBoolean();
                    }
                } catch (RuntimeException | Error e) {
                    stopped.set(true);
                    failure.compareAndSet(null, e);
                }
            }));
        }
        awaitEnd(readers, stopped);
        switch (failure.get()) {
            case null -> {}
            case RuntimeException e -> throw e;
            case Throwable e -> throw new IllegalStateException("a shard reader died", e);
        }
    }

    /** An interrupt is not passed on to the readers, because it would close the files under others that read them. */
    private static void awaitEnd(List<Thread> readers, AtomicBoolean stopped) throws InterruptedException {
        InterruptedException interrupted = null;
        for (Thread reader : readers) {
            while (reader.isAlive()) {
                try {
                    reader.join();
                } catch (InterruptedException e) {
                    stopped.set(true);
                    interrupted = e;
                }
            }
        }
        if (interrupted != null) {
            throw interrupted;
        }
    }
}
