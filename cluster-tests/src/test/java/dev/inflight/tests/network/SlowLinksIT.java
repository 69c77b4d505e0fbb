package dev.inflight.tests.network;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import dev.inflight.cli.client.Operation;
import dev.inflight.tests.Eventually;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** Joins between hosts whose links carry 500 Mbit/s, or nothing. */
@Tag("heavy")
class SlowLinksIT {
    private static final String V1 = NetworkFleet.VERSIONS.getFirst();
    private static final String V2 = NetworkFleet.VERSIONS.getLast();
    private static final long BYTES = 128 << 20;
    private static final int TENSORS = 64;
    private static final int JOINERS = 6;

    private static final Map<String, String> MULTICAST = multicast("300ms");

    /** Enough for those to meet that have never joined before. */
    private static final Map<String, String> PATIENT_MULTICAST = multicast("5s");

    /** @param sourceBytes what the only holder sent meanwhile; the joiners together sent {@code othersBytes} */
    private record Joined(Duration took, long sourceBytes, long othersBytes) {
        @Override
        public String toString() {
            return took.toMillis() + " ms, the source sent " + (sourceBytes >> 20) + " MiB and the others "
                    + (othersBytes >> 20) + " MiB";
        }
    }

    /** A joiner that the network swallowed must have been given up by then. */
    private static final Duration DROP_LIMIT = Duration.ofSeconds(20);

    private static final Duration JOIN_LIMIT = Duration.ofSeconds(90);

    /** They pass on to each other what they have got, so that the source's link carries every byte about once. */
    @Test
    void manyJoinAtOnceInAboutTheTimeOfOne() throws Exception {
        try (Namespaces network = Namespaces.require("joins over slow links")) {
            Duration one = join(network, 1, Map.of()).took();
            Duration many = join(network, JOINERS, Map.of()).took();
            System.out.println("1 joiner: " + one.toMillis() + " ms; " + JOINERS + " joiners: " + many.toMillis()
                    + " ms; a link takes " + 1000 * BYTES / Namespaces.LINK_BYTES_PER_SECOND + " ms");
            assertThat(many).isLessThanOrEqualTo(one.multipliedBy(2));
        }
    }

    /** Where everything is cast, nobody but the source sends anything, and the source sends it about once. */
    @Test
    void withMulticastManyJoinAtOnceAndOnlyTheSourceSends() throws Exception {
        try (Namespaces network = Namespaces.require("joins by multicast over slow links")) {
            network.useJumboFrames();
            Joined one = join(network, 1, MULTICAST);
            Joined cast = join(network, JOINERS, MULTICAST);
            Joined tcp = join(network, JOINERS, Map.of());
            System.out.println("with multicast 1 joiner: " + one + "; " + JOINERS + " joiners: " + cast
                    + "; over TCP: " + tcp + "; a link takes " + 1000 * BYTES / Namespaces.LINK_BYTES_PER_SECOND
                    + " ms");
            assertThat(cast.sourceBytes()).isLessThan(2 * BYTES);
            assertThat(cast.othersBytes()).isLessThan(BYTES);
            assertThat(tcp.othersBytes()).isGreaterThan(2 * BYTES);
            // Over one link by themselves they would take six times as long.
            assertThat(cast.took()).isLessThanOrEqualTo(one.took().multipliedBy(4));
        }
    }

    /** Two hosts hold the weights; the one that casts them is killed, and one of those that it casts them to. */
    @Test
    void aJoinerAndTheSourceThatAreKilledInMidCastDoNotKeepTheOthersFromJoining() throws Exception {
        try (Namespaces network = Namespaces.require("joins by multicast over slow links");
                NetworkFleet fleet = NetworkFleet.start(network, 2, BYTES, TENSORS, PATIENT_MULTICAST)) {
            NetworkFleet.Host source = fleet.hosts().getFirst();
            NetworkFleet.Host holder = fleet.hosts().getLast();
            fleet.publish(V1);
            fleet.update(source, V1);
            awaitServing(fleet, List.of(holder), V1);

            List<NetworkFleet.Host> joiners = fleet.add(4);
            List<NetworkFleet.Host> left = joiners.subList(0, 3);
            Eventually.until("all are cast to", JOIN_LIMIT, () -> {
                for (NetworkFleet.Host joiner : joiners) {
                    if (!joiner.isCastTo()) {
                        return false;
                    }
                }
                return true;
            });
            joiners.getLast().kill();
            source.kill();
            awaitServing(fleet, left, V1);
            for (NetworkFleet.Host joiner : left) {
                joiner.requireServing(V1);
                assertThat(joiner.log())
                        .containsPattern("[1-9][0-9]* parts of host " + source.name() + " are not cast");
                JsonNode result = fleet.joined(joiner);
                assertThat(result.path("castSources").valueStream().map(JsonNode::asText))
                        .as("%s", result)
                        .isNotEmpty()
                        .isSubsetOf(source.name(), holder.name());
                assertThat(result.path("castBytes").asLong())
                        .as("%s", result)
                        .isPositive()
                        .isLessThan(result.path("receivedBytes").asLong());
            }
            holder.requireServing(V1);
        }
    }

    @Test
    void aJoinerWithoutItsNetworkIsGivenUpAndJoinsWhenItIsBack() throws Exception {
        try (Namespaces network = Namespaces.require("joins over slow links");
                NetworkFleet fleet = NetworkFleet.start(network, 1, BYTES, TENSORS)) {
            NetworkFleet.Host source = fleet.hosts().getFirst();
            fleet.publish(V1);
            fleet.update(source, V1);
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
            source.requireServing(V1);

            joiner.mend();
            Eventually.until("it joined by itself", JOIN_LIMIT, () -> {
                joiner.supervise();
                return joiner.serves(V1);
            });
            joiner.requireServing(V1);
            source.requireServing(V1);
            fleet.verify();
        }
    }

    /**
     * Time from when the first engine without weights is seen until all serve: the second time that these hosts join, so
     * that links and not compilers are measured.
     */
    private static Joined join(Namespaces network, int joiners, Map<String, String> settings) throws Exception {
        try (NetworkFleet fleet = NetworkFleet.start(network, 1 + joiners, BYTES, TENSORS, settings)) {
            NetworkFleet.Host source = fleet.hosts().getFirst();
            List<NetworkFleet.Host> others = fleet.hosts().subList(1, 1 + joiners);
            fleet.publish(V1);
            fleet.update(source, V1);
            awaitServing(fleet, others, V1);

            fleet.publish(V2);
            fleet.update(source, V2);
            long sourceBytes = source.sentBytes();
            long othersBytes = sent(others);
            AtomicReference<Duration> took = new AtomicReference<>();
            Thread watch = Thread.ofVirtual().start(() -> took.set(watched(fleet, others)));
            fleet.replaceEngines(others);
            watch.join();
            assertThat(took.get()).as("time of %s joins", joiners).isNotNull();
            Joined joined = new Joined(took.get(), source.sentBytes() - sourceBytes, sent(others) - othersBytes);
            fleet.verify();
            for (NetworkFleet.Host joiner : others) {
                joiner.requireServing(V2);
            }
            return joined;
        }
    }

    private static Map<String, String> multicast(String gather) {
        return Map.of("inflight.worker.aeron.multicast", "239.192.71.1:40471", "inflight.worker.join.gather", gather);
    }

    private static long sent(List<NetworkFleet.Host> hosts) throws Exception {
        long bytes = 0;
        for (NetworkFleet.Host host : hosts) {
            bytes += host.sentBytes();
        }
        return bytes;
    }

    /** Looks on while the engines that serve v1 are replaced, and prints what each join came to. */
    private static Duration watched(NetworkFleet fleet, List<NetworkFleet.Host> others) {
        AtomicLong begin = new AtomicLong();
        Eventually.until("an engine without weights is seen", JOIN_LIMIT, () -> {
            begin.set(System.nanoTime());
            for (NetworkFleet.Host joiner : others) {
                String state = joiner.status().path("state").asText();
                if (state.equals("PENDING_WEIGHTS") || state.equals("UPDATING")) {
                    return true;
                }
            }
            return false;
        });
        Set<String> joins = awaitServing(fleet, others, V2);
        Duration took = Duration.ofNanos(System.nanoTime() - begin.get());
        try {
            for (String join : joins) {
                System.out.println(join + ": " + fleet.operation(join).result());
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        return took;
    }

    /** Returns the ids of the joins that were seen meanwhile. */
    private static Set<String> awaitServing(NetworkFleet fleet, List<NetworkFleet.Host> hosts, String version) {
        Set<String> joins = new TreeSet<>();
        Eventually.until("all serve " + version, JOIN_LIMIT, () -> {
            joins.addAll(fleet.joins());
            for (NetworkFleet.Host host : hosts) {
                if (!host.serves(version)) {
                    return false;
                }
            }
            return true;
        });
        return joins;
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
