package dev.inflight.protocol.plan;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;

/** Identity of a plan: workers that computed equal plans have equal digests. */
public final class PlanDigest {
    private static final int BUFFER_BYTES = 64 << 10;

    private final MessageDigest sha256;
    private final ByteBuffer buffer = ByteBuffer.allocate(BUFFER_BYTES);

    private PlanDigest() {
        try {
            sha256 = MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException e) {
            throw new AssertionError("every Java platform has SHA-256", e);
        }
    }

    /** SHA-256 over every field of the plan in declaration order, lists preceded by their length; lower-case hex. */
    public static String of(UpdatePlan plan) {
        PlanDigest digest = new PlanDigest();
        digest.put(plan.owners().size());
        for (Owner owner : plan.owners()) {
            digest.put(owner.worker());
            digest.put(owner.shards().size());
            owner.shards().forEach(shard -> digest.put((long) shard));
        }
        digest.put(plan.buckets().size());
        for (Bucket bucket : plan.buckets()) {
            digest.put(bucket);
        }
        digest.put(plan.rounds());
        digest.put(plan.slotBytes());
        digest.flush();
        return HexFormat.of().formatHex(digest.sha256.digest());
    }

    private void put(Bucket bucket) {
        put(bucket.index());
        put(bucket.round());
        put(bucket.owner());
        put(bucket.placements().size());
        for (Placement placement : bucket.placements()) {
            put(placement.slice().tensor());
            put(placement.slice().begin());
            put(placement.slice().end());
            put(placement.offset());
        }
        put(bucket.bytes());
    }

    private void put(String text) {
        byte[] utf8 = text.getBytes(StandardCharsets.UTF_8);
        put(utf8.length);
        flush();
        sha256.update(utf8);
    }

    private void put(long value) {
        if (buffer.remaining() < Long.BYTES) {
            flush();
        }
        buffer.putLong(value);
    }

    private void flush() {
        sha256.update(buffer.flip());
        buffer.clear();
    }
}
