package dev.inflight.protocol.cluster;

import akka.actor.typed.ActorRef;

/**
 * What a trainer asks about arenas of host memory that it writes checkpoints into. The coordinator passes it on to the
 * host that it is about, which answers the asker itself.
 */
public sealed interface LeaseCommand extends Wire
        permits HostStoreCommand.Lend, HostStoreCommand.GetLease, HostStoreCommand.GiveBack {
    ActorRef<LeaseReply> replyTo();
}
