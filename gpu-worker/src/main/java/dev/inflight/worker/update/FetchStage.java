package dev.inflight.worker.update;

import dev.inflight.protocol.plan.Bucket;
import java.util.List;
import java.util.concurrent.Callable;

/**
 * Second stage, one per remote owner: brings its buckets within the engine's reach, in plan order. If the owner is lost
 * and can be replaced, the stage ends and says which buckets did not come.
 */
final class FetchStage implements Callable<Void> {
    /** Requests sent ahead, so that the owner never waits for one. */
    private static final int AHEAD = 8;

    private final RemoteOwner owner;
    private final Incoming incoming;
    private final Lost lost;

    /** Whoever must know what a lost owner did not give. */
    interface Lost {
        void lost(RemoteOwner owner, List<Bucket> missing, UpdateException why);
    }

    FetchStage(RemoteOwner owner, Incoming incoming, Lost lost) {
        this.owner = owner;
        this.incoming = incoming;
        this.lost = lost;
    }

    @Override
    public Void call() throws InterruptedException {
        var buckets = owner.buckets();
        for (int i = 0; i < buckets.size(); i++) {
            try {
                bring(i);
            } catch (UpdateException e) {
                if (!owner.isMissed(e)) {
                    throw e;
                }
                lost.lost(owner, buckets.subList(i, buckets.size()), e);
                return null;
            }
        }
        return null;
    }

    private void bring(int i) throws InterruptedException {
        var buckets = owner.buckets();
        for (int ahead = i == 0 ? 0 : i + AHEAD - 1; ahead < Math.min(i + AHEAD, buckets.size()); ahead++) {
            owner.request(buckets.get(ahead).index());
        }
        incoming.bring(buckets.get(i));
    }
}
