package dev.inflight.worker.link;

import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;

/** Collects what an {@link EngineLink} reports. */
final class RecordingListener implements EngineLink.Listener {
    private static final int PATIENCE_S = 20;

    private final BlockingQueue<EngineSession> attached = new LinkedBlockingQueue<>();
    private final BlockingQueue<String> detached = new LinkedBlockingQueue<>();

    @Override
    public void attached(EngineSession session) {
        attached.add(session);
    }

    @Override
    public void detached(EngineSession session, String reason) {
        detached.add(reason);
    }

    EngineSession awaitSession() throws InterruptedException {
        EngineSession session = attached.poll(PATIENCE_S, TimeUnit.SECONDS);
        if (session == null) {
            throw new AssertionError("no engine attached");
        }
        return session;
    }

    String awaitDetached() throws InterruptedException {
        String reason = detached.poll(PATIENCE_S, TimeUnit.SECONDS);
        if (reason == null) {
            throw new AssertionError("the engine was not detached");
        }
        return reason;
    }

    boolean hasReported() {
        return !attached.isEmpty() || !detached.isEmpty();
    }
}
