package dev.inflight.worker.ucx;

import org.junit.jupiter.api.Assumptions;

/** UCX for tests, which are skipped, and say so, where the machine has none. */
public final class TestUcx {
    private TestUcx() {}

    public static UcxNode start() {
        try {
            return UcxNode.start();
        } catch (UcxException e) {
            System.err.println("SKIPPED: tests of UCX: " + e.getMessage());
            return Assumptions.abort("skipped: " + e.getMessage());
        }
    }
}
