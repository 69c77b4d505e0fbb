package dev.inflight.coordinator.publish;

import akka.actor.typed.ActorRef;
import dev.inflight.coordinator.fleet.Fleet;
import dev.inflight.coordinator.operation.SessionEvent;
import dev.inflight.protocol.cluster.CheckpointRef;
import java.util.Set;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;

/**
 * What a {@link PublishSession} begins with.
 *
 * @param id the operation's id
 * @param known the checkpoint already published under these names, if any
 * @param keep digests of all published checkpoints, which a failed publish must not release
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
        Set<String> keep,
        Fleet fleet,
        PublishSettings settings,
        LongSupplier nanoTime,
        ActorRef<SessionEvent> parent) {}
