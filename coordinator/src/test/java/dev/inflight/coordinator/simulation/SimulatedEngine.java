package dev.inflight.coordinator.simulation;

import dev.inflight.protocol.cluster.LoadMode;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/** An engine process with weights in parts, as docs/ENGINE_LINK.md describes engines. */
final class SimulatedEngine {
    static final int PARTS = 3;

    final String id;
    private final String[] live = new String[PARTS];
    private final String[] loading = new String[PARTS];
    private @Nullable LoadMode mode;
    private @Nullable String target;
    private @Nullable String version;
    private long highestEpoch;
    private long pid = 1;
    private boolean alive = true;

    SimulatedEngine(String id, String version) {
        this.id = id;
        this.version = version;
        Arrays.fill(live, version);
    }

    boolean isAlive() {
        return alive;
    }

    long pid() {
        return pid;
    }

    /** What it serves; null while it can not serve. */
    @Nullable
    String version() {
        return alive ? version : null;
    }

    /** @throws Violation if what it would answer with comes from more than one version */
    void answer() {
        for (String part : live) {
            if (alive && version != null && !version.equals(part)) {
                throw new Violation(id + " serves " + version + " with weights " + Arrays.toString(live));
            }
        }
    }

    void begin(long epoch, String newVersion, LoadMode newMode) {
        if (epoch <= highestEpoch) {
            throw new Violation(id + " is to begin epoch " + epoch + " after epoch " + highestEpoch);
        }
        highestEpoch = epoch;
        mode = newMode;
        target = newVersion;
        Arrays.fill(loading, null);
        if (newMode == LoadMode.IN_PLACE) {
            version = null;
        }
    }

    void load(int part) {
        loading[part] = target;
        if (mode == LoadMode.IN_PLACE) {
            live[part] = target;
        }
    }

    void commit() {
        System.arraycopy(loading, 0, live, 0, PARTS);
        version = target;
        mode = null;
        target = null;
    }

    /** Also what it does by itself when its worker is gone. */
    void abort() {
        mode = null;
        target = null;
    }

    void kill() {
        alive = false;
    }

    /** Another process in its place, without weights. */
    void restart() {
        alive = true;
        pid++;
        version = null;
        highestEpoch = 0;
        abort();
        Arrays.fill(live, null);
    }
}
