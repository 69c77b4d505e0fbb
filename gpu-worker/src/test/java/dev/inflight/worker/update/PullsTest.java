package dev.inflight.worker.update;

import static org.assertj.core.api.Assertions.assertThat;

import dev.inflight.protocol.plan.JoinPlanner;
import dev.inflight.protocol.plan.Membership;
import dev.inflight.protocol.plan.Part;
import dev.inflight.protocol.plan.Place;
import dev.inflight.protocol.plan.ShardRange;
import java.util.ArrayDeque;
import java.util.List;
import java.util.Random;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.AtomicIntegerArray;
import java.util.stream.IntStream;
import org.junit.jupiter.api.RepeatedTest;
import org.junit.jupiter.api.RepetitionInfo;
import org.junit.jupiter.api.Timeout;

@Timeout(30)
class PullsTest {
    private static final int PARTS = 200;
    private static final int SHARDS = 4;
    private static final int AHEAD = 3;

    private final AtomicIntegerArray writers = new AtomicIntegerArray(PARTS);
    private final AtomicIntegerArray landed = new AtomicIntegerArray(PARTS);

    /** The repetition is the seed. */
    @RepeatedTest(100)
    void whateverSourcesDoAndHaveEveryPartLandsOnceAndNeverHasTwoWriters(RepetitionInfo repetition) throws Exception {
        var random = new Random(repetition.getCurrentRepetition());
        var hosts = IntStream.range(0, 1 + random.nextInt(5))
                .mapToObj(i -> new Membership.Host(
                        "h" + i,
                        "h:" + i,
                        List.of(new ShardRange(random.nextInt(2), 2 + random.nextInt(2))),
                        Place.UNKNOWN,
                        List.of(),
                        random.nextInt(2)))
                .toList();
        var parts = IntStream.range(0, PARTS)
                .mapToObj(i -> new Part(i % SHARDS, i / SHARDS, 0, 1 + random.nextInt(9), List.of()))
                .toList();
        var receiver = new Membership.Host("joiner", "j:1", List.of());
        var pulls = new Pulls(JoinPlanner.plan(parts, receiver, hosts), 1 + random.nextInt(3));
        try (var readers = Executors.newVirtualThreadPerTaskExecutor()) {
            for (int casts = random.nextInt(3); casts > 0; casts--) {
                long seed = random.nextLong();
                readers.execute(() -> receiveCast(pulls, new Random(seed)));
            }
            boolean done = false;
            while (!done) {
                switch (pulls.next()) {
                    case Pulls.Next.Read read -> {
                        long seed = random.nextLong();
                        readers.execute(() -> read(pulls, read.source().name(), new Random(seed)));
                    }
                    case Pulls.Next.WithoutSource left -> left.parts().forEach(part -> land(pulls, part));
                    case Pulls.Next.Done end -> done = true;
                }
            }
        }
        for (int part = 0; part < PARTS; part++) {
            assertThat(landed.get(part)).as("part " + part).isEqualTo(1);
        }
    }

    private void read(Pulls pulls, String source, Random random) {
        var asked = new ArrayDeque<Integer>();
        while (true) {
            while (asked.size() < AHEAD) {
                int more = pulls.poll(source);
                if (more < 0) {
                    break;
                }
                assertThat(writers.incrementAndGet(more))
                        .as("writers of part " + more)
                        .isEqualTo(1);
                asked.add(more);
            }
            if (asked.isEmpty() || random.nextInt(40) == 0) {
                break;
            }
            Thread.yield();
            int part = asked.remove();
            writers.decrementAndGet(part);
            if (Math.floorMod(source.hashCode() * 31 + part, 7) == 0) {
                pulls.absent(source, part);
            } else {
                land(pulls, part);
            }
        }
        if (!asked.isEmpty()) {
            pulls.drop(source, "chance");
        }
        asked.forEach(writers::decrementAndGet);
        pulls.ended(source, null, asked);
    }

    /** Takes what nobody was asked for, and brings some of it before it is over. */
    private void receiveCast(Pulls pulls, Random random) {
        int shard = random.nextInt(SHARDS);
        var reserved = new ArrayDeque<>(pulls.reserve(part -> part % SHARDS == shard));
        for (int part : reserved) {
            assertThat(writers.incrementAndGet(part))
                    .as("writers of part " + part)
                    .isEqualTo(1);
        }
        while (!reserved.isEmpty() && random.nextInt(20) != 0) {
            Thread.yield();
            int part = reserved.remove();
            writers.decrementAndGet(part);
            land(pulls, part);
        }
        reserved.forEach(writers::decrementAndGet);
        pulls.giveBack(reserved);
    }

    private void land(Pulls pulls, int part) {
        landed.incrementAndGet(part);
        pulls.landed(part);
    }
}
