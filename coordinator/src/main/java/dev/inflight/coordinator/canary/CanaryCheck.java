package dev.inflight.coordinator.canary;

import java.net.URI;
import java.net.URISyntaxException;
import java.util.List;
import java.util.Locale;

/** What tells whether a version does well. */
public sealed interface CanaryCheck {
    /** Who noticed, when it says no. */
    String label();

    /** A GET is answered with a status of 200 to 299. */
    record Http(URI uri) implements CanaryCheck {
        @Override
        public String label() {
            return "http";
        }
    }

    /** A metric in Prometheus' text format is as it should be. */
    record Metric(URI uri, MetricCondition condition) implements CanaryCheck {
        @Override
        public String label() {
            return "metric";
        }
    }

    /** Who asked for the canary watches it, and promotes or reverts it. */
    record Client() implements CanaryCheck {
        @Override
        public String label() {
            return "command";
        }
    }

    /**
     * Reads what a request says.
     *
     * @param hosts that may be asked, in lower case, with or without a port: the coordinator reaches what who asks may not
     * @throws CanaryException if it is no check, or asks a host that is not listed
     */
    static CanaryCheck parse(String text, List<String> hosts) {
        if (text.equals("client")) {
            return new Client();
        }
        if (text.startsWith("metric:")) {
            String rest = text.substring("metric:".length());
            int hash = rest.indexOf('#');
            if (hash < 0) {
                throw new CanaryException("check: \"" + text + "\" names no metric; give metric:URL#NAME<LIMIT");
            }
            return new Metric(uri(rest.substring(0, hash), hosts), MetricCondition.parse(rest.substring(hash + 1)));
        }
        if (text.startsWith("http://") || text.startsWith("https://")) {
            return new Http(uri(text, hosts));
        }
        throw new CanaryException("check: must be http://…, https://…, metric:URL#NAME<LIMIT or client but is \"" + text
                + "\"; commands are run by the command line, not by the coordinator");
    }

    private static URI uri(String text, List<String> hosts) {
        URI uri;
        try {
            uri = new URI(text);
        } catch (URISyntaxException e) {
            throw new CanaryException("check: \"" + text + "\" is not a URL: " + e.getReason());
        }
        String scheme = String.valueOf(uri.getScheme()).toLowerCase(Locale.ROOT);
        if (!scheme.equals("http") && !scheme.equals("https")) {
            throw new CanaryException("check: \"" + text + "\" is neither http nor https");
        }
        if (uri.getHost() == null || uri.getRawUserInfo() != null) {
            throw new CanaryException("check: \"" + text + "\" must have a host and no user");
        }
        String host = uri.getHost().toLowerCase(Locale.ROOT);
        int port = uri.getPort() >= 0 ? uri.getPort() : scheme.equals("https") ? 443 : 80;
        if (!hosts.contains(host) && !hosts.contains(host + ":" + port)) {
            throw new CanaryException("check: host " + host
                    + " is not in inflight.coordinator.canary.check-hosts, which lists whom the coordinator may ask: "
                    + hosts);
        }
        return uri;
    }
}
