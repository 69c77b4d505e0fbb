package dev.inflight.worker;

import akka.Done;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;

/** A host's leave: begun by its shutdown, ended by the coordinator's word that nothing of the host is needed. */
final class Departure {
    private final CompletableFuture<Done> ended = new CompletableFuture<>();
    private final List<Runnable> listeners = new ArrayList<>();
    private boolean begun;

    /** @param listener called at the beginning, at once if that was before */
    synchronized void onBegin(Runnable listener) {
        listeners.add(listener);
        if (begun) {
            listener.run();
        }
    }

    /** Says to all that this host is about to stop. */
    synchronized CompletionStage<Done> begin() {
        if (!begun) {
            begun = true;
            listeners.forEach(Runnable::run);
        }
        return ended.copy();
    }

    synchronized boolean hasBegun() {
        return begun;
    }

    void end() {
        ended.complete(Done.getInstance());
    }
}
