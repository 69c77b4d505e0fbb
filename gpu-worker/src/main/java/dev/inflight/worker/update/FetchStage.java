package dev.inflight.worker.update;

import java.util.concurrent.Callable;

/** Second stage, one per remote owner: brings its buckets within the engine's reach, in plan order. */
final class FetchStage implements Callable<Void> {
    /** Requests sent ahead, so that the owner never waits for one. */
    private static final int AHEAD = 8;

    private final RemoteOwner owner;
    private final Incoming incoming;

    FetchStage(RemoteOwner owner, Incoming incoming) {
        this.owner = owner;
        this.incoming = incoming;
    }

    @Override
    public Void call() throws InterruptedException {
        var buckets = owner.buckets();
        for (int i = 0; i < buckets.size(); i++) {
            for (int ahead = i == 0 ? 0 : i + AHEAD - 1; ahead < Math.min(i + AHEAD, buckets.size()); ahead++) {
                owner.request(buckets.get(ahead).index());
            }
            incoming.bring(buckets.get(i));
        }
        return null;
    }
}
