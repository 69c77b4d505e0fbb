package dev.inflight.tests.fleet;

import akka.actor.AbstractExtensionId;
import akka.actor.ExtendedActorSystem;
import akka.actor.Extension;
import java.util.Comparator;
import java.util.Map;
import java.util.TreeMap;

/**
 * Messages between Inflight's parts that crossed this actor system's remoting in either direction, by type. Counts only
 * where {@link WireTrafficInstrument} is configured. Thread-safe.
 */
public final class WireTraffic implements Extension {
    private static final Id ID = new Id();

    private final Map<String, Traffic> byType = new TreeMap<>();

    private static final class Id extends AbstractExtensionId<WireTraffic> {
        @Override
        public WireTraffic createExtension(ExtendedActorSystem system) {
            return new WireTraffic();
        }
    }

    static WireTraffic of(akka.actor.ActorSystem system) {
        return ID.get(system);
    }

    /** @param bytes size on the wire */
    synchronized void count(Object message, int bytes) {
        byType.merge(message.getClass().getSimpleName(), new Traffic(1, bytes, bytes), Traffic::plus);
    }

    /** What was counted since the last reading. */
    synchronized Map<String, Traffic> read() {
        Map<String, Traffic> read = new TreeMap<>(byType);
        byType.clear();
        return read;
    }

    /**
     * Messages of one type.
     *
     * @param bytes of all of them
     * @param largest bytes of the largest
     */
    public record Traffic(long messages, long bytes, long largest) {
        private Traffic plus(Traffic other) {
            return new Traffic(messages + other.messages, bytes + other.bytes, Math.max(largest, other.largest));
        }

        /** Bytes of the largest message of any type. */
        public static long largest(Map<String, Traffic> traffic) {
            return traffic.values().stream()
                    .max(Comparator.comparingLong(Traffic::largest))
                    .map(Traffic::largest)
                    .orElse(0L);
        }
    }
}
