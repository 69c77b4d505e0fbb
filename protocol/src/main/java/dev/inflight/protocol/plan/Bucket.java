package dev.inflight.protocol.plan;

import java.util.List;

/**
 * The unit of transfer: what one slot holds at a time.
 *
 * @param index position in {@link UpdatePlan#buckets()}, the order in which every receiver consumes
 * @param round buckets of one round move at the same time, at most one per owner
 * @param owner index into {@link UpdatePlan#owners()}
 * @param placements slices and their offsets in the slot
 * @param bytes used length of the slot, padding between slices included
 */
public record Bucket(int index, int round, int owner, List<Placement> placements, long bytes) {
    public Bucket {
        placements = List.copyOf(placements);
    }
}
