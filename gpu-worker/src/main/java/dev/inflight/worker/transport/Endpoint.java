package dev.inflight.worker.transport;

import java.net.InetSocketAddress;

/** {@code address:port}, with IPv6 addresses in brackets. */
final class Endpoint {
    private Endpoint() {}

    static String format(InetSocketAddress address) {
        String host = address.isUnresolved()
                ? address.getHostString()
                : address.getAddress().getHostAddress();
        return (host.indexOf(':') < 0 ? host : '[' + host + ']') + ':' + address.getPort();
    }

    static InetSocketAddress parse(String endpoint) throws PeerException {
        int colon = endpoint.lastIndexOf(':');
        try {
            String host = endpoint.substring(0, Math.max(0, colon));
            if (host.startsWith("[") && host.endsWith("]")) {
                host = host.substring(1, host.length() - 1);
            }
            int port = Integer.parseInt(endpoint.substring(colon + 1));
            if (host.isEmpty() || port == 0) {
                throw new PeerException("peer " + endpoint + ": not an endpoint; expected host:port");
            }
            InetSocketAddress address = new InetSocketAddress(host, port);
            if (address.isUnresolved()) {
                throw new PeerException("peer " + endpoint + ": the host name does not resolve");
            }
            return address;
        } catch (IllegalArgumentException e) {
            throw new PeerException("peer " + endpoint + ": not an endpoint; expected host:port", e);
        }
    }
}
