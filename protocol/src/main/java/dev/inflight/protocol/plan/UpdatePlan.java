package dev.inflight.protocol.plan;

import java.util.List;

/**
 * Which bucket moves when and from whom. Buckets are ordered by round, then by owner.
 *
 * @param owners owners in the order that {@link Bucket#owner()} indexes
 * @param buckets all buckets in consumption order
 * @param rounds number of rounds
 * @param slotBytes capacity that every bucket fits in
 */
public record UpdatePlan(List<Owner> owners, List<Bucket> buckets, int rounds, long slotBytes) {
    public UpdatePlan {
        owners = List.copyOf(owners);
        buckets = List.copyOf(buckets);
    }
}
