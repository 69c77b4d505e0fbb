package dev.inflight.worker.store;

import static org.assertj.core.api.Assertions.assertThat;

import dev.inflight.worker.device.Pinning;
import dev.inflight.worker.device.SharedMemory;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class WarmArenaTest {
    private static final long SIZE = 1 << 20;

    @TempDir
    Path directory;

    @Test
    void runsThatAreOutDoNotOverlapAndWhenAllAreBackItIsWholeAgain() {
        try (var file = SharedMemory.create(directory.resolve("warm"), SIZE, Pinning.NONE)) {
            var arena = new WarmArena(file);
            var random = new Random(20261122);
            var out = new ArrayList<ArenaBlock>();
            for (int round = 0; round < 2000; round++) {
                if (random.nextInt(5) < 3) {
                    arena.take(1 + random.nextInt(100_000)).ifPresent(out::add);
                } else if (!out.isEmpty()) {
                    arena.give(out.remove(random.nextInt(out.size())));
                }
                for (var one : out) {
                    assertThat(one.base() + one.bytes()).isLessThanOrEqualTo(SIZE);
                    assertThat(out)
                            .noneMatch(other -> other != one
                                    && other.base() < one.base() + one.bytes()
                                    && one.base() < other.base() + other.bytes());
                }
            }
            out.forEach(arena::give);
            assertThat(arena.take(SIZE)).isPresent();
            assertThat(arena.take(1)).isEmpty();
        }
    }
}
