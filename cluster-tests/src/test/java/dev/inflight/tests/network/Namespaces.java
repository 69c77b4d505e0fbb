package dev.inflight.tests.network;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.Assumptions;

/**
 * Hosts of a network on this machine: a network namespace each, whose only link goes to a bridge and carries so many
 * bytes in a second in either direction. This process is at the bridge's own address. Everything is called {@code inflight-…} after this
 * process, and goes with it; what a killed one left the next one removes. Not thread-safe.
 */
final class Namespaces implements AutoCloseable {
    /** Of a slow link, in bytes per second. */
    static final long LINK_BYTES_PER_SECOND = 500_000_000L / 8;

    private static final String PREFIX = "inflight-";
    private static final int RADIX = Character.MAX_RADIX;
    private static final int MOST_HOSTS = RADIX;
    private static final int COMMAND_SECONDS = 20;

    /** What a link lets through at once after a rest: more than it carries between two ticks of the kernel's clock. */
    private static final long BURST_SHARE = 60;

    private final String bridge;
    private final String network;
    private final List<String> shape;
    private final Thread hook = new Thread(this::remove, "namespaces-cleanup");
    private int hosts;
    private int frameBytes = 1500;

    private Namespaces(long pid, long linkBytesPerSecond) {
        // The names of links have at most 15 characters, and a process id in base 36 at most 5.
        this.bridge = PREFIX + Long.toString(pid, RADIX);
        // So that two tests at once do not share a network.
        this.network = "10." + (20 + pid % 200) + ".7.";
        String burst = Math.max(1 << 20, linkBytesPerSecond / BURST_SHARE) + "b";
        this.shape = List.of("tbf", "rate", linkBytesPerSecond * 8 + "bit", "burst", burst, "latency", "50ms");
    }

    /** The same with slow links, {@link #LINK_BYTES_PER_SECOND}. */
    static Namespaces require(String what) throws IOException, InterruptedException {
        return require(what, LINK_BYTES_PER_SECOND);
    }

    /**
     * The calling test is skipped, loudly, where this machine allows no namespaces.
     *
     * @param what is tested
     * @param linkBytesPerSecond what a link carries in either direction
     */
    static Namespaces require(String what, long linkBytesPerSecond) throws IOException, InterruptedException {
        for (String program : List.of("ip", "tc")) {
            if (Stream.of(System.getenv("PATH").split(":"))
                    .noneMatch(directory -> Files.isExecutable(Path.of(directory, program)))) {
                skip(what, "there is no " + program + " on PATH; install iproute2 (apt-get install iproute2)");
            }
        }
        removeAbandoned();
        Namespaces namespaces = new Namespaces(ProcessHandle.current().pid(), linkBytesPerSecond);
        Runtime.getRuntime().addShutdownHook(namespaces.hook);
        try {
            run("ip", "link", "add", namespaces.bridge, "type", "bridge");
            run("ip", "address", "add", namespaces.address() + "/24", "dev", namespaces.bridge);
            run("ip", "link", "set", namespaces.bridge, "up");
            namespaces.probe();
        } catch (IOException e) {
            namespaces.close();
            skip(
                    what,
                    "this machine allows no network namespaces (it takes root, or CAP_NET_ADMIN and CAP_SYS_ADMIN): "
                            + e.getMessage());
        }
        return namespaces;
    }

    /** Where this process is reached from all hosts. */
    String address() {
        return network + "1";
    }

    /** Where a host is reached. */
    String address(int host) {
        return network + (host + 2);
    }

    /** Fails if one of the things that hosts are made of is not to be had. */
    private void probe() throws IOException, InterruptedException {
        run(concat(List.of("tc", "qdisc", "add", "dev", bridge, "root"), shape));
        run("tc", "qdisc", "delete", "dev", bridge, "root");
        run("ip", "netns", "add", bridge + "-probe");
        run("ip", "netns", "delete", bridge + "-probe");
    }

    /** Links of hosts that are added from now on carry jumbo frames. */
    void useJumboFrames() {
        frameBytes = 9000;
    }

    /** What a host has sent so far over its link. */
    long sentBytes(int host) throws IOException {
        return Long.parseLong(Files.readString(Path.of("/sys/class/net", link(host), "statistics/rx_bytes"))
                .strip());
    }

    /** Number of another host, with its link up. */
    int add() throws IOException, InterruptedException {
        if (hosts == MOST_HOSTS) {
            throw new IllegalStateException("more than " + MOST_HOSTS + " hosts");
        }
        int host = hosts++;
        run("ip", "netns", "add", namespace(host));
        run("ip", "link", "add", link(host), "type", "veth", "peer", "name", "eth0", "netns", namespace(host));
        run("ip", "link", "set", link(host), "mtu", String.valueOf(frameBytes));
        inside(host, "ip", "link", "set", "eth0", "mtu", String.valueOf(frameBytes));
        run("ip", "link", "set", link(host), "master", bridge, "up");
        inside(host, "ip", "link", "set", "lo", "up");
        inside(host, "ip", "address", "add", address(host) + "/24", "dev", "eth0");
        inside(host, "ip", "link", "set", "eth0", "up");
        run(on(host, concat(List.of("tc", "qdisc", "add", "dev", "eth0", "root"), shape)));
        run(concat(List.of("tc", "qdisc", "add", "dev", link(host), "root"), shape));
        return host;
    }

    /**
     * The command line with which a program runs on a host.
     *
     * @param hidden a directory that this host does not see the files of
     */
    List<String> on(int host, Path hidden, List<String> command) {
        List<String> shell = new ArrayList<>(List.of("ip", "netns", "exec", namespace(host), "sh", "-c"));
        // In a mount namespace that `ip netns exec` makes for the program.
        shell.addAll(List.of("mount -t tmpfs none \"$0\" && exec \"$@\"", hidden.toString()));
        shell.addAll(command);
        return shell;
    }

    /** The same with the machine's own files. */
    List<String> on(int host, List<String> command) {
        return concat(List.of("ip", "netns", "exec", namespace(host)), command);
    }

    /** Pulls a host's cable: nobody is told anything, and nothing comes through. */
    void cut(int host) throws IOException, InterruptedException {
        run("ip", "link", "set", link(host), "down");
    }

    void mend(int host) throws IOException, InterruptedException {
        run("ip", "link", "set", link(host), "up");
    }

    @Override
    public void close() {
        remove();
        try {
            Runtime.getRuntime().removeShutdownHook(hook);
        } catch (IllegalStateException e) {
            // Already shutting down: the hook does the same.
        }
    }

    private synchronized void remove() {
        for (int host = 0; host < hosts; host++) {
            // The link's other end goes with it.
            attempt("ip", "netns", "delete", namespace(host));
        }
        hosts = 0;
        attempt("ip", "link", "delete", bridge);
    }

    private String namespace(int host) {
        return bridge + "-" + host;
    }

    private String link(int host) {
        return bridge + Integer.toString(host, RADIX);
    }

    private void inside(int host, String... command) throws IOException, InterruptedException {
        run(on(host, List.of(command)));
    }

    /** Those whose process is gone. */
    private static void removeAbandoned() throws IOException, InterruptedException {
        for (String line : run("ip", "netns", "list").lines().toList()) {
            String name = line.split(" ")[0];
            int dash = name.lastIndexOf('-');
            if (name.startsWith(PREFIX) && dash > PREFIX.length() && abandoned(name.substring(0, dash))) {
                attempt("ip", "netns", "delete", name);
            }
        }
        for (String line :
                run("ip", "-o", "link", "show", "type", "bridge").lines().toList()) {
            String name = line.split(": ")[1];
            if (name.startsWith(PREFIX) && abandoned(name)) {
                attempt("ip", "link", "delete", name);
            }
        }
    }

    private static boolean abandoned(String bridge) {
        try {
            long pid = Long.parseLong(bridge.substring(PREFIX.length()), RADIX);
            return ProcessHandle.of(pid).isEmpty();
        } catch (NumberFormatException e) {
            return false;
        }
    }

    private static void attempt(String... command) {
        try {
            run(command);
        } catch (IOException e) {
            // There was nothing to remove.
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private static String run(String... command) throws IOException, InterruptedException {
        return run(List.of(command));
    }

    /** Standard output of a command that succeeds. */
    private static String run(List<String> command) throws IOException, InterruptedException {
        Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
        process.getOutputStream().close();
        String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        if (!process.waitFor(COMMAND_SECONDS, TimeUnit.SECONDS)) {
            process.destroyForcibly();
            throw new IOException(String.join(" ", command) + " does not end");
        }
        if (process.exitValue() != 0) {
            throw new IOException(String.join(" ", command) + ": " + output.strip());
        }
        return output;
    }

    private static List<String> concat(List<String> first, List<String> second) {
        return Stream.concat(first.stream(), second.stream()).toList();
    }

    private static void skip(String what, String why) {
        System.err.println("************************************************************************");
        System.err.println("*  SKIPPED: " + what + ": " + why);
        System.err.println("************************************************************************");
        Assumptions.abort(why);
    }
}
