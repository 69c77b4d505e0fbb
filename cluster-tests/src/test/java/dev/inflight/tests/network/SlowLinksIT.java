package dev.inflight.tests.network;

import static org.assertj.core.api.Assertions.assertThat;

import dev.inflight.cli.client.Operation;
import dev.inflight.tests.Eventually;
import java.time.Duration;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** Joins between hosts whose links carry 500 Mbit/s, or nothing. */
@Tag("heavy")
class SlowLinksIT {
    private static final long BYTES = 128 << 20;
    private static final int TENSORS = 64;
    private static final int JOINERS = 6;

    /** A joiner that the network swallowed must have been given up by then. */
    private static final Duration DROP_LIMIT = Duration.ofSeconds(20);

    private static final Duration JOIN_LIMIT = Duration.ofSeconds(90);

    /** They pass on to each other what they have got, so that the source's link carries every byte about once. */
    @Test
    void manyJoinAtOnceInAboutTheTimeOfOne() throws Exception {
        try (Namespaces network = Namespaces.require()) {
            Duration one = join(network, 1);
            Duration many = join(network, JOINERS);
            System.out.println("1 joiner: " + one.toMillis() + " ms; " + JOINERS + " joiners: " + many.toMillis()
                    + " ms; a link takes " + 1000 * BYTES / Namespaces.LINK_BYTES_PER_SECOND + " ms");
            assertThat(many).isLessThanOrEqualTo(one.multipliedBy(2));
        }
    }

    @Test
    void aJoinerWithoutItsNetworkIsGivenUpAndJoinsWhenItIsBack() throws Exception {
        try (Namespaces network = Namespaces.require();
                NetworkFleet fleet = NetworkFleet.start(network, 1, BYTES, TENSORS)) {
            NetworkFleet.Host source = fleet.hosts().getFirst();
            fleet.publish();
            fleet.update(source);
            NetworkFleet.Host joiner = fleet.add(1).getFirst();
            String join = awaitHalf(fleet, joiner);

            long begin = System.nanoTime();
            joiner.cut();
            AtomicReference<Operation> ended = new AtomicReference<>();
            Eventually.until("the end of " + join, DROP_LIMIT, () -> {
                ended.set(fleet.operation(join));
                return !ended.get().running();
            });
            System.out.println("given up after " + (System.nanoTime() - begin) / 1_000_000 + " ms: " + ended.get());
            assertThat(ended.get().succeeded()).isFalse();
            source.requireServing();

            joiner.mend();
            Eventually.until("it joined by itself", JOIN_LIMIT, () -> {
                joiner.supervise();
                return joiner.serves();
            });
            joiner.requireServing();
            source.requireServing();
            fleet.verify();
        }
    }

    /** Time from when there is a version to join to, until all serve it. */
    private static Duration join(Namespaces network, int joiners) throws Exception {
        try (NetworkFleet fleet = NetworkFleet.start(network, 1 + joiners, BYTES, TENSORS)) {
            List<NetworkFleet.Host> others = fleet.hosts().subList(1, 1 + joiners);
            fleet.publish();
            fleet.update(fleet.hosts().getFirst());
            long begin = System.nanoTime();
            Set<String> joins = new TreeSet<>();
            for (NetworkFleet.Host joiner : others) {
                Eventually.until(joiner.name() + " joined", JOIN_LIMIT, () -> {
                    joins.addAll(fleet.joins());
                    return joiner.serves();
                });
            }
            Duration took = Duration.ofNanos(System.nanoTime() - begin);
            for (String join : joins) {
                System.out.println(join + ": " + fleet.operation(join).result());
            }
            fleet.verify();
            for (NetworkFleet.Host joiner : others) {
                joiner.requireServing();
            }
            return took;
        }
    }

    /** Returns the join under way when it has brought a part of the bytes. */
    private static String awaitHalf(NetworkFleet fleet, NetworkFleet.Host joiner) {
        AtomicReference<String> join = new AtomicReference<>("");
        Eventually.until("a join is half-way", JOIN_LIMIT, () -> {
            String id = joiner.status().at("/join/operation").asText("");
            if (!id.isEmpty()) {
                join.set(id);
            }
            if (join.get().isEmpty()) {
                return false;
            }
            Operation operation = fleet.operation(join.get());
            return operation.running() && operation.doneBytes() > 0;
        });
        return join.get();
    }
}
