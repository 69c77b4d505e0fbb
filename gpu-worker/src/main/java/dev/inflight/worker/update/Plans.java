package dev.inflight.worker.update;

import dev.inflight.protocol.checkpoint.CheckpointLayout;
import dev.inflight.protocol.plan.BucketPlanner;
import dev.inflight.protocol.plan.Owner;
import dev.inflight.protocol.plan.PlanDigest;
import dev.inflight.protocol.plan.Sharding;
import dev.inflight.protocol.plan.UpdatePlan;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Makes the plans of a host's workers and keeps the last one: in one update all of them have the same, versions of a
 * model mostly differ in their bytes only, and no bucket moves before there is a plan. Thread-safe.
 */
public final class Plans {
    private @Nullable Made last;

    private record From(CheckpointLayout layout, Sharding sharding, List<Owner> owners, long slotBytes) {}

    /** A plan and its {@link PlanDigest}. */
    record Planned(UpdatePlan plan, String digest) {}

    private record Made(From from, Planned planned) {}

    /** As {@link BucketPlanner#plan}. */
    synchronized Planned of(CheckpointLayout layout, Sharding sharding, List<Owner> owners, long slotBytes) {
        var from = new From(layout, sharding, owners, slotBytes);
        var made = last;
        if (made == null || !made.from().equals(from)) {
            var plan = BucketPlanner.plan(layout, sharding, owners, slotBytes);
            made = new Made(from, new Planned(plan, PlanDigest.of(plan)));
            last = made;
        }
        return made.planned();
    }
}
