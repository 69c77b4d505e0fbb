package dev.inflight.worker.store;

import dev.inflight.protocol.checkpoint.CheckpointLayout;
import dev.inflight.protocol.plan.Shard;
import dev.inflight.worker.device.SharedMemory;
import java.lang.foreign.MemorySegment;

/** Where the bytes of one held shard are. Immutable; thread-safe. */
sealed interface ShardMemory {
    /** Bytes of the slice at a position in the shard. */
    MemorySegment slice(int position);

    /** A copy in the host's shared memory. */
    record Copied(Shard shard, ShardOffsets offsets, SharedMemory memory) implements ShardMemory {
        @Override
        public MemorySegment slice(int position) {
            return memory.segment()
                    .asSlice(offset(position), shard.slices().get(position).bytes());
        }

        /** First byte of the slice at a position in the shard. */
        long offset(int position) {
            return offsets.offset(position);
        }
    }

    /** The checkpoint's own files, which lie in {@code /dev/shm}. */
    record InPlace(Shard shard, CheckpointLayout layout, CheckpointFiles files) implements ShardMemory {
        @Override
        public MemorySegment slice(int position) {
            var slice = shard.slices().get(position);
            var tensor = layout.tensors().get(slice.tensor());
            return files.map(tensor.file()).asSlice(tensor.begin() + slice.begin(), slice.bytes());
        }
    }
}
