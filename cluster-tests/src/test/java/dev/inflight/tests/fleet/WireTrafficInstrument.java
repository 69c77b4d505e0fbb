package dev.inflight.tests.fleet;

import akka.actor.ActorRef;
import akka.actor.ExtendedActorSystem;
import akka.remote.artery.RemoteInstrument;
import dev.inflight.protocol.cluster.Wire;
import java.nio.ByteBuffer;

/** Lets Artery tell {@link WireTraffic} of every message. Artery makes one for each encoder and decoder. */
public final class WireTrafficInstrument extends RemoteInstrument {
    /** Anything from 1 to 31 that no other instrument has. */
    private static final byte IDENTIFIER = 17;

    private final WireTraffic traffic;

    public WireTrafficInstrument(ExtendedActorSystem system) {
        this.traffic = WireTraffic.of(system);
    }

    @Override
    public byte identifier() {
        return IDENTIFIER;
    }

    @Override
    public void remoteWriteMetadata(ActorRef recipient, Object message, ActorRef sender, ByteBuffer buffer) {}

    @Override
    public void remoteReadMetadata(ActorRef recipient, Object message, ActorRef sender, ByteBuffer buffer) {}

    @Override
    public void remoteMessageSent(ActorRef recipient, Object message, ActorRef sender, int size, long time) {
        count(message, size);
    }

    @Override
    public void remoteMessageReceived(ActorRef recipient, Object message, ActorRef sender, int size, long time) {
        count(message, size);
    }

    private void count(Object message, int size) {
        if (message instanceof Wire) {
            traffic.count(message, size);
        }
    }
}
