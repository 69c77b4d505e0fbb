package dev.inflight.worker.store;

import dev.inflight.protocol.checkpoint.CheckpointLayout;
import dev.inflight.protocol.plan.Part;
import dev.inflight.protocol.plan.Shard;
import dev.inflight.protocol.plan.ShardOffsets;
import dev.inflight.protocol.plan.Slice;
import dev.inflight.worker.transport.FileRange;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/** Where the bytes of one held shard are. Immutable; thread-safe. */
sealed interface ShardMemory {
    /** Memory of this host that is spent on the shard. */
    long memoryBytes();

    /** Bytes of the slice at a position in the shard. */
    MemorySegment slice(int position);

    /** A part of the shard in one piece, copied if it does not lie so. */
    MemorySegment bytes(Part part);

    /** Where another process that sees this machine's shared memory finds a part; null if it is not in one piece. */
    @Nullable
    FileRange file(Part part);

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
        public MemorySegment bytes(Part part) {
            return memory.segment().asSlice(part.offset(), part.bytes());
        }

        @Override
        public FileRange file(Part part) {
            return new FileRange(memory.path().toString(), memory.base() + part.offset());
        }

        /** First byte of the slice at a position in the shard. */
        long offset(int position) {
            return offsets.offset(position);
        }
    }

    /** The checkpoint's own files, which lie in {@code /dev/shm}, or the arena that a trainer wrote. */
    record InPlace(Shard shard, CheckpointLayout layout, TensorFiles files) implements ShardMemory {
        @Override
        public long memoryBytes() {
            return 0;
        }

        @Override
        public MemorySegment slice(int position) {
            return mapped(shard.slices().get(position));
        }

        @Override
        public MemorySegment bytes(Part part) {
            if (part.placements().size() == 1) {
                return mapped(part.placements().getFirst().slice());
            }
            var gathered = MemorySegment.ofArray(new byte[Math.toIntExact(part.bytes())]);
            for (var placement : part.placements()) {
                var slice = placement.slice();
                MemorySegment.copy(mapped(slice), 0, gathered, placement.offset(), slice.bytes());
            }
            return gathered;
        }

        private MemorySegment mapped(Slice slice) {
            var tensor = layout.tensors().get(slice.tensor());
            return files.map(tensor.file()).asSlice(tensor.begin() + slice.begin(), slice.bytes());
        }

        @Override
        public @Nullable FileRange file(Part part) {
            if (part.placements().size() > 1) {
                return null;
            }
            var slice = part.placements().getFirst().slice();
            var tensor = layout.tensors().get(slice.tensor());
            return new FileRange(files.path(tensor.file()).toString(), tensor.begin() + slice.begin());
        }
    }
}
