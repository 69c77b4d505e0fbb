package dev.inflight.worker.transport;

import dev.inflight.worker.ucx.UcxDevices;

/**
 * What this host moves bytes to and from other machines with, if the other side can do the same, and why. A pure
 * function.
 *
 * @param ucx whether UCX is used, else TCP
 * @param reason for people
 */
public record TransportChoice(boolean ucx, String reason) {
    /** What {@code inflight.worker.peer.transport} allows; reference.conf documents it. */
    public enum Setting {
        AUTO,
        TCP,
        UCX
    }

    /** What is known of UCX on this host. */
    public sealed interface Ucx {
        /** It is there. */
        record Found(UcxDevices devices) implements Ucx {}

        /** It is not, or was not looked for, since nothing here would be faster with it. */
        record Missing(String reason) implements Ucx {}
    }

    /** @throws IllegalArgumentException if UCX is set and missing */
    public static TransportChoice of(Setting setting, Ucx ucx) {
        return switch (setting) {
            case TCP -> new TransportChoice(false, "inflight.worker.peer.transport is tcp");
            case UCX ->
                switch (ucx) {
                    case Ucx.Found found ->
                        new TransportChoice(
                                true,
                                "inflight.worker.peer.transport is ucx, with "
                                        + String.join(", ", found.devices().names()));
                    case Ucx.Missing missing -> throw new IllegalArgumentException("is ucx, but " + missing.reason());
                };
            case AUTO ->
                switch (ucx) {
                    case Ucx.Found found -> auto(found.devices());
                    case Ucx.Missing missing -> new TransportChoice(false, missing.reason());
                };
        };
    }

    private static TransportChoice auto(UcxDevices devices) {
        var rdma = devices.rdma();
        return rdma.isEmpty()
                ? new TransportChoice(false, "UCX finds no RDMA device here, and is slower over TCP than TCP itself")
                : new TransportChoice(true, "UCX finds RDMA: " + String.join(", ", rdma));
    }
}
