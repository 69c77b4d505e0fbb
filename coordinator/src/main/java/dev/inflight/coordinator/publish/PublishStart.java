package dev.inflight.coordinator.publish;

import akka.actor.typed.ActorRef;
import dev.inflight.coordinator.fleet.Fleet;
import dev.inflight.coordinator.session.SessionEvent;
import dev.inflight.protocol.cluster.CheckpointRef;
import java.util.Collection;
import java.util.List;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;

/**
 * What a {@link PublishSession} begins with.
 *
 * @param id the operation's id
 * @param known the checkpoint already published under these names, if any
 * @param published all published versions of the model
 * @param spare digests of checkpoints whose memory hosts may free for it
 * @param fleet the fleet at the start; later ones come as messages
 * @param parent hears of progress and the end
 * @param nanoTime the clock, in nanoseconds
 */
public record PublishStart(
        String id,
        String model,
        String version,
        String source,
        @Nullable CheckpointRef known,
        Collection<CheckpointRef> published,
        List<String> spare,
        Fleet fleet,
        PublishSettings settings,
        LongSupplier nanoTime,
        ActorRef<SessionEvent> parent) {
    public PublishStart {
        published = List.copyOf(published);
        spare = List.copyOf(spare);
    }
}
