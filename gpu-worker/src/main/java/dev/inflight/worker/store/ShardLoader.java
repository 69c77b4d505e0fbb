package dev.inflight.worker.store;

import dev.inflight.protocol.checkpoint.BlockSums;
import dev.inflight.protocol.plan.Shard;
import dev.inflight.protocol.plan.ShardOffsets;
import java.io.UncheckedIOException;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.function.BooleanSupplier;
import java.util.function.LongConsumer;

/** Brings shards of one checkpoint into memory, or maps them where they lie, and owns that memory until given away. */
final class ShardLoader {
    private final TensorFiles files;
    private final ArenaPool arenas;
    private final BooleanSupplier makeRoom;
    private final ShardReader reader;
    private final PartBuffers buffers = new PartBuffers();
    private final Map<Integer, ShardMemory> loaded = new HashMap<>();

    /**
     * @param files closed by this loader, at once or with the memory of an in-place checkpoint
     * @param makeRoom asked to free something when there is no memory; false if there is nothing to free
     */
    ShardLoader(TensorFiles files, ArenaPool arenas, BooleanSupplier makeRoom, int threads, LongConsumer progress) {
        this.files = files;
        this.arenas = arenas;
        this.makeRoom = makeRoom;
        this.reader = new ShardReader(files, threads, progress);
    }

    BlockSums load(Shard shard) throws InterruptedException {
        if (files.inPlace()) {
            loaded.put(shard.index(), new ShardMemory.InPlace(shard, files.layout(), files, buffers));
            return reader.sumInPlace(shard);
        }
        var offsets = ShardOffsets.of(shard);
        var memory = take(Math.max(1, offsets.bytes()));
        loaded.put(shard.index(), new ShardMemory.Copied(shard, offsets, memory));
        return reader.read(shard, memory.segment());
    }

    private ArenaBlock take(long bytes) {
        while (true) {
            try {
                return arenas.take(bytes);
            } catch (UncheckedIOException full) {
                if (!makeRoom.getAsBoolean()) {
                    throw full;
                }
            }
        }
    }

    /** Hands over what the checkpoint does not hold yet, and frees the rest. */
    void giveTo(StoredCheckpoint checkpoint) {
        var surplus = new HashMap<Integer, ShardMemory>();
        loaded.forEach((shard, memory) -> {
            if (checkpoint.holdIfAbsent(shard, memory)) {
                checkpoint.dropPartial(shard, arenas);
            } else {
                surplus.put(shard, memory);
            }
        });
        boolean mapped = files.inPlace() && surplus.size() < loaded.size();
        loaded.clear();
        loaded.putAll(surplus);
        if (mapped) {
            loaded.clear();
        } else {
            discard();
        }
    }

    /** Frees what was loaded. */
    void discard() {
        boolean closed = files.inPlace() && !loaded.isEmpty();
        free(loaded.values(), arenas);
        loaded.clear();
        if (!closed) {
            files.close();
        }
    }

    static void free(Collection<ShardMemory> memories, ArenaPool arenas) {
        var mapped = new HashSet<TensorFiles>();
        for (var memory : memories) {
            switch (memory) {
                case ShardMemory.Copied copied -> arenas.give(copied.memory());
                case ShardMemory.InPlace inPlace -> mapped.add(inPlace.files());
            }
        }
        mapped.forEach(TensorFiles::close);
    }
}
