package dev.inflight.worker.store;

import static org.assertj.core.api.Assertions.assertThat;

import akka.actor.testkit.typed.javadsl.ActorTestKit;
import com.typesafe.config.ConfigFactory;
import dev.inflight.protocol.cluster.HostStoreCommand;
import dev.inflight.protocol.cluster.HostStoreEvent;
import dev.inflight.protocol.plan.Part;
import dev.inflight.protocol.plan.ShardRange;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.RepeatedTest;
import org.junit.jupiter.api.RepetitionInfo;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Random joins for parts of a checkpoint, some of them aborted, against a model of what the host then has. */
@Timeout(60)
class PartialReplicaTest {
    private static final Duration PATIENCE = Duration.ofMillis(1);
    private static final int SHARDS = 3;
    private static final int STEPS = 8;
    private static final ActorTestKit KIT = ActorTestKit.create(
            ConfigFactory.parseString("akka.actor.provider = local, akka.fail-mixed-versions = off"));

    @TempDir
    Path directory;

    /** What the host has of each shard: parts by index. */
    private final Map<Integer, Set<Integer>> model = new HashMap<>();

    private TwoStores stores;
    private HostStore store;
    private StoredCheckpoint original;
    private StoredCheckpoint joined;

    @BeforeEach
    void open() throws Exception {
        var sizes = new int[] {3_000_000, 1_000_000, 0, 2_500_001, 700_000, 5, 1_048_577, 2_097_152};
        stores = new TwoStores(
                directory, SHARDS, sizes, KIT.<HostStoreEvent>createTestProbe().getRef());
        store = stores.joiner;
        original = stores.original;
    }

    @AfterEach
    void close() throws IOException {
        stores.close();
    }

    @AfterAll
    static void stopActors() {
        KIT.shutdownTestKit();
    }

    /** The repetition is the seed. */
    @RepeatedTest(30)
    void aHostGivesExactlyWhatHasComeAndHoldsShardsThatAreComplete(RepetitionInfo repetition) throws Exception {
        var random = new Random(repetition.getCurrentRepetition());
        joined = stores.known();
        for (int step = 0; step < STEPS; step++) {
            switch (random.nextInt(10)) {
                case 0 -> {
                    store.release(original.ref().digest());
                    model.clear();
                    joined = stores.known();
                }
                case 1 -> restore(random.nextInt(SHARDS));
                default -> join(random, 1 + random.nextInt(2));
            }
            assertThatItHasWhatTheModelHas();
        }
    }

    /** Some users of one replica at a time, each with needs of its own; any of them may give up half-way. */
    private void join(Random random, int users) {
        var needs = new ArrayList<Need>();
        for (int user = 0; user < users; user++) {
            needs.add(need(random));
        }
        var replica = store.replicate(joined, needs.getFirst());
        needs.stream().skip(1).forEach(need -> store.replicate(joined, need));
        var worth = model.entrySet().stream()
                .filter(shard -> !shard.getValue().isEmpty())
                .map(Map.Entry::getKey)
                .collect(Collectors.toCollection(HashSet::new));
        for (var need : needs) {
            var missing = replica.missing(need.parts());
            assertThat(missing)
                    .isEqualTo(need.parts().stream().filter(part -> !has(part)).toList());
            int brought = random.nextInt(3) == 0 ? random.nextInt(missing.size() + 1) : missing.size();
            for (var part : missing.subList(0, brought)) {
                stores.bring(replica, part);
                model.computeIfAbsent(part.shard(), none -> new TreeSet<>()).add(part.index());
            }
            if (brought == missing.size()) {
                replica.satisfied(need);
                worth.addAll(need.shards());
            }
        }
        needs.forEach(need -> replica.leave());
        model.keySet().removeIf(shard -> !worth.contains(shard) && !isComplete(shard));
    }

    private Need need(Random random) {
        var parts = IntStream.range(0, SHARDS)
                .filter(shard -> random.nextInt(3) > 0)
                .mapToObj(stores::parts)
                .flatMap(List::stream)
                .filter(part -> random.nextInt(4) > 0)
                .toList();
        return new Need(parts.stream().map(Part::shard).collect(Collectors.toSet()), parts);
    }

    private void restore(int shard) throws InterruptedException {
        if (store.held().isEmpty()) {
            return;
        }
        var nobody = KIT.<HostStoreEvent>createTestProbe().getRef();
        var ranges = List.of(new ShardRange(shard, shard));
        store.restore(new HostStoreCommand.Restore("restore", original.ref(), ranges, nobody), bytes -> {});
        model.put(shard, stores.parts(shard).stream().map(Part::index).collect(Collectors.toCollection(TreeSet::new)));
    }

    private void assertThatItHasWhatTheModelHas() throws InterruptedException {
        assertThat(joined.heldShards())
                .isEqualTo(IntStream.range(0, SHARDS)
                        .filter(this::isComplete)
                        .boxed()
                        .collect(Collectors.toCollection(TreeSet::new)));
        assertThat(store.held().isEmpty()).isEqualTo(model.isEmpty());
        assertThat(store.coming()).isEmpty();
        for (int shard = 0; shard < SHARDS; shard++) {
            for (var part : stores.parts(shard)) {
                assertThat(gives(part)).as("%s", part).isEqualTo(has(part));
            }
        }
    }

    private boolean has(Part part) {
        return model.getOrDefault(part.shard(), Set.of()).contains(part.index());
    }

    private boolean isComplete(int shard) {
        return model.getOrDefault(shard, Set.of()).size() == stores.parts(shard).size();
    }

    private boolean gives(Part part) throws InterruptedException {
        try (var given = store.forPeers().part(stores.key(part), false, PATIENCE)) {
            if (given != null) {
                original.check(part, given.bytes());
            }
            return given != null;
        } catch (StoreException e) {
            return false;
        }
    }
}
