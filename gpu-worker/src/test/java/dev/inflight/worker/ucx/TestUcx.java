package dev.inflight.worker.ucx;

import org.junit.jupiter.api.Assumptions;

/**
 * UCX for tests: the machine's, or else Debian's, which is fetched. They are skipped, and say so, where there is neither.
 */
public final class TestUcx {
    private TestUcx() {}

    public static UcxNode start() {
        try {
            return UcxNode.start();
        } catch (UcxException e) {
            return startFetched(e);
        }
    }

    private static UcxNode startFetched(UcxException why) {
        try {
            DebianUcx.load();
            return UcxNode.start();
        } catch (UcxException e) {
            System.err.println("SKIPPED: tests of UCX: " + why.getMessage() + "; " + e.getMessage());
            return Assumptions.abort("skipped: " + why.getMessage());
        }
    }
}
