package dev.inflight.worker.update;

import dev.inflight.protocol.plan.Bucket;
import dev.inflight.worker.cuda.BlockSummer;
import dev.inflight.worker.cuda.CudaEvent;
import dev.inflight.worker.cuda.DeviceBuffer;
import dev.inflight.worker.cuda.DeviceRange;
import dev.inflight.worker.cuda.Sums;
import dev.inflight.worker.store.StoredCheckpoint;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;

/**
 * Checks the blocks of buckets where they landed in GPU memory, by the GPU itself and on a stream of its own: the link
 * to the host carries the next bucket meanwhile.
 */
final class CudaBlockCheck {
    private final StoredCheckpoint checkpoint;
    private final BlockSummer summer;
    private final CudaLane lane;
    private final StageTimes times;

    CudaBlockCheck(StoredCheckpoint checkpoint, BlockSummer summer, CudaLane lane, StageTimes times) {
        this.checkpoint = checkpoint;
        this.summer = summer;
        this.lane = lane;
        this.times = times;
    }

    /** A block and what it must be. */
    private record Block(StoredCheckpoint.ExpectedBlocks expected, long at) {}

    /**
     * Starts to check a bucket.
     *
     * @param landed done when the bucket is there
     * @param base where it begins in the buffer
     */
    Started start(Bucket bucket, CudaEvent landed, DeviceBuffer buffer, long base) {
        var blocks = new ArrayList<Block>();
        var ranges = new ArrayList<DeviceRange>();
        for (var placement : bucket.placements()) {
            var expected = checkpoint.blocks(placement.slice());
            long bytes = placement.slice().bytes();
            for (long at = 0; at < bytes; at += StoredCheckpoint.BLOCK_BYTES) {
                blocks.add(new Block(expected, at));
                ranges.add(new DeviceRange(buffer, base + placement.offset() + at, (int)
                        Math.min(StoredCheckpoint.BLOCK_BYTES, bytes - at)));
            }
        }
        lane.stream().waitFor(landed);
        var marks = lane.begin();
        var sums = new ArrayList<Sums>();
        for (int from = 0; from < ranges.size(); from += BlockSummer.MAX_RANGES) {
            int to = Math.min(ranges.size(), from + BlockSummer.MAX_RANGES);
            sums.add(summer.start(lane.stream(), ranges.subList(from, to)));
        }
        marks.end();
        return new Started(bucket.index(), blocks, sums, marks);
    }

    /** A check that the GPU has been asked for. */
    final class Started implements AutoCloseable {
        private final int bucket;
        private final List<Block> blocks;
        private final List<Sums> sums;
        private final CudaLane.Copies marks;

        private Started(int bucket, List<Block> blocks, List<Sums> sums, CudaLane.Copies marks) {
            this.bucket = bucket;
            this.blocks = blocks;
            this.sums = sums;
            this.marks = marks;
        }

        /** @throws dev.inflight.worker.store.CorruptBlockException naming the first block that is not as published */
        void await(Duration patience) throws InterruptedException {
            marks.await(patience);
            times.verified(bucket, marks.span());
            for (int i = 0; i < blocks.size(); i++) {
                int crc = sums.get(i / BlockSummer.MAX_RANGES).crc(i % BlockSummer.MAX_RANGES);
                blocks.get(i).expected().checkSum(blocks.get(i).at(), crc);
            }
        }

        @Override
        public void close() {
            marks.close();
            sums.forEach(Sums::close);
        }
    }
}
