package dev.inflight.protocol.plan;

import dev.inflight.protocol.checkpoint.CheckpointLayout;
import java.util.List;
import java.util.stream.IntStream;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.Combinators;
import net.jqwik.api.Provide;
import net.jqwik.api.domains.DomainContextBase;

/** Inputs of the planner's properties. */
final class PlanArbitraries extends DomainContextBase {
    static final long MIB = 1 << 20;

    @Provide
    Arbitrary<CheckpointLayout> layouts() {
        return Combinators.combine(
                        Arbitraries.longs(),
                        Arbitraries.integers().between(0, 8),
                        Arbitraries.integers().between(0, 12),
                        Arbitraries.longs().between(1, 64 * MIB))
                .as(LayoutBuilder::random)
                .withoutEdgeCases();
    }

    /** Owners of 1 to 12 shards: each owner holds one, or all shards belong to two owners. */
    record Fleet(int shards, boolean twoOwners) {
        List<Owner> owners() {
            return Ownership.assign(
                    shards,
                    new Membership(
                            List.of(new Membership.Host("host", "127.0.0.1:1", List.of(new ShardRange(0, shards - 1)))),
                            IntStream.range(0, twoOwners ? 2 : shards)
                                    .mapToObj(i -> new Membership.Worker("host/%02d".formatted(i), 0, true))
                                    .toList()));
        }
    }

    @Provide
    Arbitrary<Fleet> fleets() {
        return Combinators.combine(Arbitraries.integers().between(1, 12), Arbitraries.of(true, false))
                .as(Fleet::new);
    }
}
