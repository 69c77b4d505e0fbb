package dev.inflight.coordinator.ledger;

import static org.assertj.core.api.Assertions.assertThat;

import akka.actor.testkit.typed.javadsl.ActorTestKit;
import akka.actor.testkit.typed.javadsl.TestProbe;
import akka.actor.typed.ActorRef;
import akka.actor.typed.DispatcherSelector;
import akka.cluster.MemberStatus;
import akka.cluster.typed.Cluster;
import akka.cluster.typed.Join;
import com.typesafe.config.Config;
import com.typesafe.config.ConfigFactory;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Three coordinator nodes of one cluster, each with a replica; messages pass Artery. */
class ReplicationTest {
    private static final Duration PATIENCE = Duration.ofSeconds(60);
    private static final Receipt TAKEN = new Receipt.Taken("update-1");
    private static final LedgerSettings SETTINGS =
            new LedgerSettings(100, Duration.ofSeconds(60), Duration.ofSeconds(60));
    private static final Config CONFIG = ConfigFactory.parseString("""
            akka.actor.provider = cluster
            akka.remote.artery.canonical { hostname = "127.0.0.1", port = 0 }
            akka.cluster.roles = [coordinator]
            akka.cluster.jmx.multi-mbeans-in-same-jvm = on
            akka.cluster { gossip-interval = 100 ms, leader-actions-interval = 100 ms, periodic-tasks-initial-delay = 100 ms }
            akka.coordinated-shutdown { exit-jvm = off, run-by-actor-system-terminate = off }
            akka.loglevel = ERROR
            """).withFallback(ConfigFactory.load());

    @TempDir
    @SuppressWarnings("NullAway.Init")
    private Path directory;

    private final List<ActorTestKit> nodes = new ArrayList<>();
    private final List<ActorRef<ReplicaCommand>> replicas = new ArrayList<>();

    @BeforeEach
    void start() {
        for (int i = 0; i < 3; i++) {
            ActorTestKit node = ActorTestKit.create("inflight", CONFIG);
            nodes.add(node);
            Cluster.get(node.system())
                    .manager()
                    .tell(Join.create(
                            Cluster.get(nodes.getFirst().system()).selfMember().address()));
            replicas.add(replica(i));
        }
        nodes.getFirst().createTestProbe().awaitAssert(PATIENCE, Duration.ofMillis(50), () -> {
            assertThat(Cluster.get(nodes.getFirst().system()).state().getMembers())
                    .hasSize(3)
                    .allMatch(member -> member.status().equals(MemberStatus.up()));
            return null;
        });
    }

    @AfterEach
    void stop() {
        nodes.forEach(ActorTestKit::shutdownTestKit);
    }

    @Test
    void aNewWriterKnowsWhatTheFormerKeptAndDeposesIt() {
        TestProbe<LedgerEvent> first = probe(0);
        ActorRef<LedgerWriter.Command> writer = writer(0, first);
        assertThat(recovered(first).published()).isEmpty();
        for (int i = 1; i <= 150; i++) {
            writer.tell(new LedgerWriter.Write(Entries.published("v" + i), null));
        }
        writer.tell(new LedgerWriter.Write(Entries.started("update-1", "v1", null), TAKEN));
        first.expectMessage(PATIENCE, new LedgerEvent.Kept(TAKEN, true));

        TestProbe<LedgerEvent> second = probe(1);
        ActorRef<LedgerWriter.Command> successor = writer(1, second);
        LedgerState state = recovered(second);
        assertThat(state.published()).hasSize(150);
        assertThat(state.unfinished()).hasSize(1);

        successor.tell(new LedgerWriter.Write(Entries.committed("update-1", "v1", null), null));
        writer.tell(new LedgerWriter.Write(Entries.published("v-of-the-deposed"), null));
        nodes.getFirst().createTestProbe().expectTerminated(writer, PATIENCE);
        TestProbe<LedgerEvent> third = probe(2);
        nodes.get(1).stop(successor, PATIENCE);
        writer(2, third);
        LedgerState last = recovered(third);
        assertThat(last.published().stream().map(ref -> ref.version())).doesNotContain("v-of-the-deposed");
    }

    @Test
    void goesOnWithAMajorityAndBringsTheOthersUpToDate() {
        TestProbe<LedgerEvent> events = probe(0);
        ActorRef<LedgerWriter.Command> writer = writer(0, events);
        recovered(events);
        awaitLines(2, 1);
        nodes.get(2).stop(replicas.get(2), PATIENCE);
        writer.tell(new LedgerWriter.Write(Entries.started("update-1", "v1", null), TAKEN));
        events.expectMessage(PATIENCE, new LedgerEvent.Kept(TAKEN, true));

        replicas.set(2, replica(2));
        // Which replicas count, the operation, and again which replicas count as one goes and comes.
        awaitLines(2, lines(0));
        assertThat(lines(2)).isGreaterThanOrEqualTo(2);
    }

    @Test
    void setsAsideWhatTheCoordinatorDoesNotHave() throws IOException {
        // A node that kept entries for itself while the others began without it.
        nodes.get(2).stop(replicas.get(2), PATIENCE);
        try (LedgerFile file = LedgerFile.open(data(2))) {
            file.append(List.of(new LedgerRecord(3, 1, Entries.published("only-here"))));
        }
        TestProbe<LedgerEvent> events = probe(0);
        ActorRef<LedgerWriter.Command> writer =
                ledgerWriter(0, events, new LedgerSettings(100, Duration.ofMillis(200), Duration.ofSeconds(60)));
        assertThat(recovered(events).published()).isEmpty();
        writer.tell(new LedgerWriter.Write(Entries.started("update-1", "v1", null), TAKEN));
        events.expectMessage(PATIENCE, new LedgerEvent.Kept(TAKEN, true));

        replicas.set(2, replica(2));
        probe(0).awaitAssert(PATIENCE, Duration.ofMillis(50), () -> {
            assertThat(data(2).resolve("ledger-aside-3-1.jsonl")).content().contains("only-here");
            assertThat(Files.readString(data(2).resolve("ledger.jsonl")))
                    .contains("update-1")
                    .doesNotContain("only-here");
            return null;
        });
    }

    private ActorRef<ReplicaCommand> replica(int node) {
        return nodes.get(node)
                .spawn(
                        LedgerReplica.create(data(node), SETTINGS.keepEntries()),
                        "replica-" + System.nanoTime(),
                        DispatcherSelector.blocking());
    }

    private ActorRef<LedgerWriter.Command> writer(int node, TestProbe<LedgerEvent> events) {
        return ledgerWriter(node, events, SETTINGS);
    }

    private ActorRef<LedgerWriter.Command> ledgerWriter(
            int node, TestProbe<LedgerEvent> events, LedgerSettings settings) {
        return nodes.get(node)
                .spawn(LedgerWriter.create(
                        settings, "coordinator", events.getRef(), System::nanoTime, InstantSource.system()));
    }

    private TestProbe<LedgerEvent> probe(int node) {
        return nodes.get(node).createTestProbe(LedgerEvent.class);
    }

    private static LedgerState recovered(TestProbe<LedgerEvent> events) {
        return events.expectMessageClass(LedgerEvent.Recovered.class, PATIENCE).state();
    }

    private void awaitLines(int node, int least) {
        probe(0).awaitAssert(PATIENCE, Duration.ofMillis(50), () -> {
            assertThat(lines(node)).isGreaterThanOrEqualTo(least);
            return null;
        });
    }

    private int lines(int node) {
        try {
            return Files.readAllLines(data(node).resolve("ledger.jsonl")).size();
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    private Path data(int node) {
        return directory.resolve("data-" + node);
    }
}
