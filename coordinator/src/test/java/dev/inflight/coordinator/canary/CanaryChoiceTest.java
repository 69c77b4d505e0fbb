package dev.inflight.coordinator.canary;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import akka.actor.testkit.typed.javadsl.ActorTestKit;
import akka.actor.typed.ActorRef;
import dev.inflight.coordinator.TestFleet;
import dev.inflight.coordinator.fleet.FleetWorker;
import dev.inflight.protocol.cluster.WorkerCommand;
import dev.inflight.protocol.cluster.WorkerEvent.WorkerState;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.SortedSet;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;

class CanaryChoiceTest {
    private static final ActorTestKit KIT = ActorTestKit.create();
    private static final ActorRef<WorkerCommand> REF =
            KIT.<WorkerCommand>createTestProbe().getRef();

    @AfterAll
    static void stop() {
        KIT.shutdownTestKit();
    }

    private static FleetWorker worker(String id, Map<String, String> labels) {
        String host = id.substring(0, id.indexOf('/'));
        return new FleetWorker(
                REF, new WorkerState(id, host, "host", 1, null, 1, null, TestFleet.serving("e-" + id, "v1"), labels));
    }

    private static List<FleetWorker> fleet(int hosts, int perHost) {
        List<FleetWorker> workers = new ArrayList<>();
        for (int host = 0; host < hosts; host++) {
            for (int index = 0; index < perHost; index++) {
                workers.add(worker("h" + host + "/" + index, Map.of()));
            }
        }
        return workers;
    }

    private static SortedSet<String> choose(List<FleetWorker> workers, String share) {
        return CanaryChoice.choose(workers, CanaryShare.parse(share), "replica");
    }

    @Test
    void aShareIsANumberOrAPercentage() {
        assertThat(choose(fleet(4, 1), "1")).containsExactly("h0/0");
        assertThat(choose(fleet(20, 1), "10%")).hasSize(2);
        assertThat(choose(fleet(11, 1), "10%")).as("rounded up").hasSize(2);
        for (String wrong : List.of("0", "-1", "101%", "1.5", "", "x", "%", "1 0")) {
            assertThatThrownBy(() -> CanaryShare.parse(wrong)).as(wrong).isInstanceOf(CanaryException.class);
        }
    }

    @Test
    void oneIsAlwaysLeftUnlessThereIsOnlyOne() {
        assertThat(choose(fleet(4, 1), "100%")).hasSize(3);
        assertThat(choose(fleet(1, 1), "1")).hasSize(1);
    }

    @Test
    void takesOneOfEachHostBeforeASecondOfAny() {
        assertThat(choose(fleet(3, 2), "4")).containsExactly("h0/0", "h0/1", "h1/0", "h2/0");
    }

    @Test
    void takesReplicasAndTensorParallelGroupsWhole() {
        List<FleetWorker> replicas = List.of(
                worker("h0/0", Map.of("replica", "r1")),
                worker("h1/0", Map.of("replica", "r1")),
                worker("h2/0", Map.of("replica", "r2")),
                worker("h3/0", Map.of("replica", "r2")));
        assertThat(choose(replicas, "1")).containsExactly("h0/0", "h1/0");
        assertThat(choose(replicas, "3")).as("never all").containsExactly("h0/0", "h1/0");
        Map<String, String> rank = Map.of("tp-size", "2");
        List<FleetWorker> ranks =
                List.of(worker("h0/0", rank), worker("h0/1", rank), worker("h1/0", rank), worker("h1/1", rank));
        assertThat(choose(ranks, "25%")).containsExactly("h0/0", "h0/1");
    }

    @Property(tries = 300)
    void everyChoiceIsDeterministicBoundedAndSpread(
            @ForAll @IntRange(min = 1, max = 12) int hosts,
            @ForAll @IntRange(min = 1, max = 4) int perHost,
            @ForAll @IntRange(min = 1, max = 100) int percent,
            @ForAll long seed) {
        List<FleetWorker> workers = fleet(hosts, perHost);
        SortedSet<String> chosen = choose(workers, percent + "%");
        List<FleetWorker> shuffled = new ArrayList<>(workers);
        Collections.shuffle(shuffled, new Random(seed));
        assertThat(choose(shuffled, percent + "%")).isEqualTo(chosen);

        int engines = hosts * perHost;
        int wanted = Math.ceilDiv(engines * percent, 100);
        assertThat(chosen).hasSize(engines == 1 ? 1 : Math.min(wanted, engines - 1));
        Set<String> names = new HashSet<>();
        workers.forEach(worker -> names.add(worker.id()));
        assertThat(names).containsAll(chosen);
        long distinctHosts = chosen.stream()
                .map(id -> id.substring(0, id.indexOf('/')))
                .distinct()
                .count();
        assertThat(distinctHosts).isEqualTo(Math.min(hosts, chosen.size()));
    }
}
