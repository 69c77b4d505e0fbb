package dev.inflight.protocol.plan;

import java.util.Locale;

/**
 * Chooses how many slots an update uses and how large they are. Three slots let all stages of the pipeline overlap; more
 * let the first move further ahead while engines begin, and the last bucket be smaller, but are only taken if they are
 * still large. With less memory three slots first become smaller, down to the smallest useful one, and only then fewer:
 * 3, 2, 1.
 */
public final class SlotLadder {
    private static final long MIB = 1 << 20;
    private static final int OVERLAPPING = 3;
    private static final int MOST_SLOTS = 8;

    /** More than three slots are not worth it if that makes them smaller than this. */
    private static final long AMPLE_BYTES = 64 * MIB;

    /** A shard is cut into about this many buckets if the limits allow, or the stages would have nothing to overlap. */
    private static final int BUCKETS_PER_SHARD = 8;

    private static final String SERIAL = ", so the stages run one after the other";

    private SlotLadder() {}

    /** Like the other, with at most three slots. */
    public static Slots choose(
            long budgetBytes,
            long maxSlotBytes,
            long minSlotBytes,
            long totalBytes,
            long largestTensorBytes,
            boolean wholeTensors,
            int workers) {
        return choose(
                budgetBytes,
                maxSlotBytes,
                minSlotBytes,
                OVERLAPPING,
                totalBytes,
                largestTensorBytes,
                wholeTensors,
                workers);
    }

    /**
     * Chooses for the worker with the least memory.
     *
     * @param budgetBytes memory that the worker can give to slots
     * @param maxSlotBytes largest useful slot, from the settings
     * @param minSlotBytes smallest useful slot, from the settings
     * @param maxSlots most slots to choose, 1 to 8; with 1 the stages run one after the other
     * @param totalBytes size of the checkpoint
     * @param largestTensorBytes size of its largest tensor
     * @param wholeTensors whether an engine can not take a tensor in parts
     * @param workers number of workers that the checkpoint's bytes come from
     * @throws PlanException if not even one slot fits in the budget
     */
    public static Slots choose(
            long budgetBytes,
            long maxSlotBytes,
            long minSlotBytes,
            int maxSlots,
            long totalBytes,
            long largestTensorBytes,
            boolean wholeTensors,
            int workers) {
        if (maxSlots < 1 || maxSlots > MOST_SLOTS) {
            throw new PlanException("at most " + maxSlots + " slots were asked for; it must be 1 to " + MOST_SLOTS);
        }
        long wanted = wanted(maxSlotBytes, minSlotBytes, totalBytes, workers);
        long floor = Math.min(wanted, Math.max(MIB, roundUp(minSlotBytes)));
        if (wholeTensors) {
            floor = Math.max(floor, roundUp(largestTensorBytes));
            wanted = Math.max(wanted, floor);
        }
        for (int count = maxSlots; count > 0; count--) {
            long share = budgetBytes / count;
            long size = Math.min(wanted, share - share % MIB);
            if (size >= (count > OVERLAPPING ? Math.max(floor, Math.min(wanted, AMPLE_BYTES)) : floor)) {
                return new Slots(count, size, reason(count, size, wanted, floor, budgetBytes, maxSlots));
            }
        }
        throw new PlanException(refusal(budgetBytes, floor, largestTensorBytes, wholeTensors));
    }

    private static long wanted(long maxSlotBytes, long minSlotBytes, long totalBytes, int workers) {
        if (workers < 1) {
            throw new PlanException("an update needs at least one worker that owns a shard");
        }
        if (maxSlotBytes < MIB || minSlotBytes > maxSlotBytes) {
            throw new PlanException(
                    "slots of %d to %d bytes were asked for; the largest must be at least 1 MiB and not below the smallest"
                            .formatted(minSlotBytes, maxSlotBytes));
        }
        long mean = Math.ceilDiv(totalBytes, (long) workers);
        long shard = Math.max(MIB, roundUp(mean + Sharding.toleratedBytes(mean)));
        long overlapping = Math.max(roundUp(minSlotBytes), roundUp(Math.ceilDiv(shard, (long) BUCKETS_PER_SHARD)));
        return Math.min(maxSlotBytes - maxSlotBytes % MIB, Math.min(shard, overlapping));
    }

    private static String reason(int count, long size, long wanted, long floor, long budget, int maxSlots) {
        var slots = "%d slot%s of %s".formatted(count, count == 1 ? "" : "s", mib(size));
        if (count >= OVERLAPPING && size == wanted) {
            return "%s: all stages overlap; the budget is %s".formatted(slots, mib(budget));
        }
        if (count >= OVERLAPPING) {
            return "%s: all stages overlap; the budget of %s does not hold %d of %s"
                    .formatted(slots, mib(budget), count, mib(wanted));
        }
        if (count == maxSlots) {
            return "%s: no more than %d allowed%s".formatted(slots, maxSlots, count == 1 ? SERIAL : "");
        }
        return "%s: %d of at least %s would need %s and the budget is %s%s"
                .formatted(
                        slots, count + 1, mib(floor), mib(floor * (count + 1)), mib(budget), count == 1 ? SERIAL : "");
    }

    private static String refusal(long budget, long floor, long largestTensor, boolean wholeTensors) {
        if (wholeTensors && floor == roundUp(largestTensor)) {
            return ("the budget for slots is %d bytes but the largest tensor has %d and an engine takes tensors only whole;"
                            + " give the worker at least %d bytes for slots")
                    .formatted(budget, largestTensor, floor);
        }
        return "the budget for slots is %d bytes but the smallest slot is %d; give the worker more memory for slots or allow smaller slots"
                .formatted(budget, floor);
    }

    private static long roundUp(long bytes) {
        return Math.ceilDiv(bytes, MIB) * MIB;
    }

    private static String mib(long bytes) {
        return bytes % MIB == 0 ? bytes / MIB + " MiB" : String.format(Locale.ROOT, "%.1f MiB", (double) bytes / MIB);
    }
}
