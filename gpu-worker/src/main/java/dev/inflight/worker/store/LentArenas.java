package dev.inflight.worker.store;

import dev.inflight.protocol.cluster.LeaseId;
import dev.inflight.protocol.cluster.LeaseReply;
import dev.inflight.protocol.cluster.LeaseReply.Lease;
import dev.inflight.protocol.cluster.OperationReply.Refused;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.SecureRandom;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Executor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Arenas that trainers write checkpoints into. A lease ends when the checkpoint is loaded for a version or fails to be,
 * when the trainer gives the arena back, or when it expires. The memory of a published one is the version's until that
 * is released; then, and after a give-back, it is kept for the next lease. An expired one is deleted, since its trainer may still be writing: what it
 * has mapped goes when it unmaps it or ends. Thread-safe.
 */
public final class LentArenas implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(LentArenas.class);
    private static final int NUMBER_BYTES = 6;

    private final String host;
    private final ArenaPool arenas;
    private final LeaseSettings settings;
    private final Executor blocking;
    private final LongSupplier nanoTime;
    private final SecureRandom random = new SecureRandom();
    private final Map<String, Lent> leases = new HashMap<>();

    /** One after another, so that each sees how much memory the others left. */
    private final ReentrantLock preparing = new ReentrantLock();

    private boolean closed;

    /** All fields are guarded by the registry. */
    private static final class Lent {
        final LeaseId id;
        final long bytes;
        long deadlineNanos;

        @Nullable
        ArenaBlock memory;

        @Nullable
        String error;

        int readers;
        boolean ended;

        Lent(LeaseId id, long bytes, long deadlineNanos) {
            this.id = id;
            this.bytes = bytes;
            this.deadlineNanos = deadlineNanos;
        }
    }

    /**
     * @param arenas closed by this
     * @param blocking runs what takes as long as memory takes to touch or to unregister
     * @param nanoTime the clock, in nanoseconds
     */
    LentArenas(String host, ArenaPool arenas, LeaseSettings settings, Executor blocking, LongSupplier nanoTime) {
        this.host = host;
        this.arenas = arenas;
        this.settings = settings;
        this.blocking = blocking;
        this.nanoTime = nanoTime;
    }

    /** Begins to make memory ready that a trainer writes a checkpoint into. */
    public LeaseReply lend(long bytes) {
        if (bytes < 1) {
            return new Refused(Refused.Code.INVALID, "bytes: must be at least 1 but is " + bytes);
        }
        Lent lent;
        synchronized (this) {
            expire();
            long out = leases.values().stream()
                    .filter(lease -> lease.error == null)
                    .mapToLong(lease -> lease.bytes)
                    .sum();
            if (bytes > settings.mostBytes() - out) {
                return new Refused(
                        Refused.Code.UNAVAILABLE,
                        "bytes: host " + host + " lends at most " + settings.mostBytes() + " bytes at once, of which "
                                + out + " are lent; " + bytes + " are asked for");
            }
            var number = new byte[NUMBER_BYTES];
            random.nextBytes(number);
            var id = new LeaseId(host, HexFormat.of().formatHex(number));
            lent = new Lent(id, bytes, deadline());
            leases.put(id.toString(), lent);
        }
        blocking.execute(() -> prepare(lent));
        return view(lent);
    }

    private void prepare(Lent lent) {
        ArenaBlock memory = null;
        String error = null;
        preparing.lock();
        try {
            memory = arenas.take(lent.bytes);
            permit(memory.path(), "rw-------");
        } catch (RuntimeException | Error e) {
            // Also an Error: nobody else would end the lease.
            LOG.warn("no memory to lend: {}", e.toString());
            error = String.valueOf(e.getMessage());
        } finally {
            preparing.unlock();
        }
        synchronized (this) {
            boolean wanted = leases.get(lent.id.toString()) == lent;
            if (memory != null && !wanted) {
                keep(memory);
            } else {
                lent.memory = memory;
                lent.error = error;
                lent.deadlineNanos = deadline();
            }
        }
    }

    private long deadline() {
        return nanoTime.getAsLong() + settings.timeout().toNanos();
    }

    /** A lease as it is now. */
    public LeaseReply view(String lease) {
        Lent lent;
        synchronized (this) {
            expire();
            lent = leases.get(lease);
        }
        return lent == null ? unknown(lease) : view(lent);
    }

    private synchronized Lease view(Lent lent) {
        var memory = lent.memory;
        var state =
                lent.error != null ? Lease.State.FAILED : memory == null ? Lease.State.PREPARING : Lease.State.READY;
        long left = Math.max(0, lent.deadlineNanos - nanoTime.getAsLong());
        return new Lease(
                lent.id.toString(),
                host,
                state,
                memory == null ? null : memory.path().toString(),
                lent.bytes,
                TimeUnit.NANOSECONDS.toMillis(left),
                lent.error);
    }

    private Refused unknown(String lease) {
        return new Refused(Refused.Code.NOT_FOUND, "lease: " + unknownHere(lease));
    }

    private String unknownHere(String lease) {
        return "host " + host + " has lent no arena as " + lease + ": it was published, given back or has expired";
    }

    /** A trainer has let go of an arena without publishing it. */
    public synchronized LeaseReply giveBack(String lease) {
        expire();
        var lent = leases.get(lease);
        if (lent == null) {
            return unknown(lease);
        }
        if (lent.readers > 0) {
            return new Refused(Refused.Code.CONFLICT, "lease: " + lease + " is being published");
        }
        leases.remove(lease);
        if (lent.memory != null) {
            keep(lent.memory);
        }
        return new Lease(lease, host, Lease.State.GIVEN_BACK, null, lent.bytes, 0, null);
    }

    /**
     * What the trainer wrote; to be closed.
     *
     * @throws CheckpointNotFoundException if no such arena is lent here
     * @throws dev.inflight.protocol.checkpoint.CheckpointException if what is in it is no safetensors file
     */
    LentCheckpoint open(LeaseId id) {
        Lent lent;
        ArenaBlock memory;
        synchronized (this) {
            expire();
            lent = leases.get(id.toString());
            memory = lent == null ? null : lent.memory;
            if (lent == null || memory == null) {
                throw new CheckpointNotFoundException(
                        id.source(),
                        id.host().equals(host)
                                ? unknownHere(id.toString())
                                : "a trainer wrote it into an arena of host " + id.host() + "; it has no files");
            }
            lent.readers++;
        }
        try {
            return new LentCheckpoint(
                    memory.segment().asSlice(0, lent.bytes),
                    memory.path(),
                    () -> end(lent),
                    () -> closed(lent, memory));
        } catch (RuntimeException e) {
            closed(lent, memory);
            throw e;
        }
    }

    private synchronized void end(Lent lent) {
        leases.remove(lent.id.toString());
        lent.ended = true;
        var memory = lent.memory;
        if (memory != null && lent.readers == 0) {
            keep(memory);
        } else if (memory != null) {
            // Who has mapped it can still write; the block check finds that.
            permit(memory.path(), "r--------");
        }
    }

    private synchronized void closed(Lent lent, ArenaBlock memory) {
        lent.readers--;
        if (lent.readers == 0 && lent.ended) {
            keep(memory);
        }
    }

    /** Takes back the arenas that were not published in time. */
    public synchronized void expire() {
        for (var lent : List.copyOf(leases.values())) {
            boolean idle = lent.readers == 0 && (lent.memory != null || lent.error != null);
            if (idle && nanoTime.getAsLong() - lent.deadlineNanos >= 0) {
                leases.remove(lent.id.toString());
                LOG.warn("lease {} of {} bytes expired unpublished", lent.id, lent.bytes);
                if (lent.memory != null) {
                    blocking.execute(lent.memory.file()::close);
                }
            }
        }
    }

    private void keep(ArenaBlock memory) {
        if (closed) {
            memory.file().close();
        } else {
            arenas.give(memory);
        }
    }

    private static void permit(Path path, String mode) {
        try {
            Files.setPosixFilePermissions(path, PosixFilePermissions.fromString(mode));
        } catch (IOException e) {
            LOG.warn("can not change the mode of {}: {}", path, e.toString());
        }
    }

    @Override
    public synchronized void close() {
        closed = true;
        for (var lent : leases.values()) {
            if (lent.memory != null && lent.readers == 0) {
                lent.memory.file().close();
            }
        }
        leases.clear();
        arenas.close();
    }
}
