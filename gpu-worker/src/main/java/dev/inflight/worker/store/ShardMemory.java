package dev.inflight.worker.store;

import dev.inflight.protocol.checkpoint.CheckpointLayout;
import dev.inflight.protocol.plan.Part;
import dev.inflight.protocol.plan.Shard;
import dev.inflight.protocol.plan.ShardOffsets;
import dev.inflight.protocol.plan.Slice;
import dev.inflight.worker.transport.FileRange;
import dev.inflight.worker.transport.PartBytes;
import java.lang.foreign.MemorySegment;

/** Where the bytes of one held shard are. Immutable; thread-safe. */
sealed interface ShardMemory {
    /** Memory of this host that is spent on the shard. */
    long memoryBytes();

    /** Bytes of the slice at a position in the shard. */
    MemorySegment slice(int position);

    /**
     * A part of the shard in one piece, copied if it does not lie so.
     *
     * @param mappable whether the asker sees this host's shared memory
     * @param release run when it is closed
     */
    PartBytes give(Part part, boolean mappable, Runnable release);

    /** A copy in the host's shared memory. */
    record Copied(Shard shard, ShardOffsets offsets, ArenaBlock memory) implements ShardMemory {
        @Override
        public long memoryBytes() {
            return memory.bytes();
        }

        @Override
        public MemorySegment slice(int position) {
            return memory.segment()
                    .asSlice(offset(position), shard.slices().get(position).bytes());
        }

        @Override
        public PartBytes give(Part part, boolean mappable, Runnable release) {
            var file = mappable ? new FileRange(memory.path().toString(), memory.base() + part.offset()) : null;
            return new PartBytes(bytes(part), file, release);
        }

        MemorySegment bytes(Part part) {
            return memory.segment().asSlice(part.offset(), part.bytes());
        }

        /** First byte of the slice at a position in the shard. */
        long offset(int position) {
            return offsets.offset(position);
        }
    }

    /** The checkpoint's own files, which lie in {@code /dev/shm}, or the arena that a trainer wrote. */
    record InPlace(Shard shard, CheckpointLayout layout, TensorFiles files, PartBuffers buffers)
            implements ShardMemory {
        @Override
        public long memoryBytes() {
            return 0;
        }

        @Override
        public MemorySegment slice(int position) {
            return mapped(shard.slices().get(position));
        }

        @Override
        public PartBytes give(Part part, boolean mappable, Runnable release) {
            if (part.placements().size() > 1) {
                return gathered(part, release);
            }
            var slice = part.placements().getFirst().slice();
            return new PartBytes(mapped(slice), mappable ? file(slice) : null, release);
        }

        private PartBytes gathered(Part part, Runnable release) {
            var buffer = buffers.take();
            for (var placement : part.placements()) {
                var slice = placement.slice();
                MemorySegment.copy(mapped(slice), 0, buffer, placement.offset(), slice.bytes());
            }
            return new PartBytes(buffer.asSlice(0, part.bytes()), null, () -> {
                buffers.give(buffer);
                release.run();
            });
        }

        private MemorySegment mapped(Slice slice) {
            var tensor = layout.tensors().get(slice.tensor());
            return files.map(tensor.file()).asSlice(tensor.begin() + slice.begin(), slice.bytes());
        }

        private FileRange file(Slice slice) {
            var tensor = layout.tensors().get(slice.tensor());
            return new FileRange(files.path(tensor.file()).toString(), tensor.begin() + slice.begin());
        }
    }
}
