package dev.inflight.tests.multijvm;

import dev.inflight.cli.demo.FreePort;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;

/** Runs a {@link MultiNodeJavaSpec} in one JVM for each of its roles. Each node's output is in a log of its own. */
public final class MultiJvm {
    /** Directory for what nodes share through files, as a system property of every node. */
    public static final String SHARED_DIRECTORY = "inflight.test.shared";

    /** Flags of every Inflight JVM, set by the build. */
    public static final String JVM_ARGS = "inflight.jvm.args";

    private static final int SIGKILL_EXIT = 128 + 9;
    private static final int LAST_LINES = 60;
    private static final Duration GRACE = Duration.ofSeconds(20);

    private final Class<? extends MultiNodeJavaSpec> spec;
    private final int nodes;
    private final Set<Integer> killed = new TreeSet<>();
    private final Map<String, String> properties = new TreeMap<>();
    private final List<Path> libraries = new ArrayList<>();
    private String name;

    private MultiJvm(Class<? extends MultiNodeJavaSpec> spec, int nodes) {
        this.spec = spec;
        this.nodes = nodes;
        this.name = spec.getSimpleName();
    }

    /** @param nodes how many roles the spec has */
    public static MultiJvm of(Class<? extends MultiNodeJavaSpec> spec, int nodes) {
        return new MultiJvm(spec, nodes);
    }

    /** The spec kills this node with SIGKILL; it must not end by itself. */
    public MultiJvm killing(int node) {
        killed.add(node);
        return this;
    }

    /** Sets a system property in every node. */
    public MultiJvm with(String property, String value) {
        properties.put(property, value);
        name = name + "-" + value;
        return this;
    }

    /** Lets every node look for native libraries in these directories first. */
    public MultiJvm withLibraries(List<Path> directories) {
        directories.forEach(directory -> libraries.add(directory.toAbsolutePath()));
        return this;
    }

    /**
     * Runs the spec to its end.
     *
     * @throws AssertionError if a node failed, with the last lines of its log
     */
    public void run(Duration limit) throws IOException, InterruptedException {
        Leftovers.sweep();
        // Under /tmp itself: engines' sockets lie in it, and their paths may have 107 bytes.
        Path shared = Files.createTempDirectory(Path.of("/tmp"), "inflight-test-");
        Path logs = Files.createDirectories(Path.of("target", "multi-jvm", name));
        try {
            List<Process> processes = start(shared, logs);
            try {
                verify(exits(processes, limit), logs, limit);
                Leftovers.requireOnlyOf(
                        killed.stream().map(node -> processes.get(node).pid()).toList(), shared);
            } finally {
                processes.forEach(Process::destroyForcibly);
                processes.forEach(process -> process.onExit().join());
            }
        } finally {
            Leftovers.remove(shared, logs);
        }
    }

    private List<Process> start(Path shared, Path logs) throws IOException {
        int conductorPort = FreePort.choose();
        List<Process> processes = new ArrayList<>();
        for (int index = 0; index < nodes; index++) {
            List<String> command = new ArrayList<>(jvm(ClassArchive.flags(kind(index)), "-Xmx256m"));
            properties.forEach((key, value) -> command.add("-D" + key + "=" + value));
            command.add("-D" + JVM_ARGS + "=" + System.getProperty(JVM_ARGS));
            command.add("-D" + SHARED_DIRECTORY + "=" + shared);
            // config/aeron-udp.conf names the driver's directory after it.
            command.add("-Dinflight.process=" + shared.getFileName() + "-" + index);
            command.add("-Dmultinode.max-nodes=" + nodes);
            command.add("-Dmultinode.index=" + index);
            command.add("-Dmultinode.host=127.0.0.1");
            command.add("-Dmultinode.port=0");
            command.add("-Dmultinode.server-host=127.0.0.1");
            command.add("-Dmultinode.server-port=" + conductorPort);
            command.addAll(List.of("-cp", ClassArchive.classPath(), NodeMain.class.getName()));
            command.add(spec.getName());
            ProcessBuilder process = new ProcessBuilder(command)
                    .redirectErrorStream(true)
                    .redirectOutput(log(logs, index).toFile());
            if (!libraries.isEmpty()) {
                String path = libraries.stream().map(Path::toString).collect(Collectors.joining(":"));
                process.environment().merge("LD_LIBRARY_PATH", path, (given, added) -> added + ":" + given);
            }
            processes.add(process.start());
        }
        return processes;
    }

    /** In most specs the first is the trainer, the second the coordinator, and the others are worker hosts. */
    private static String kind(int node) {
        return switch (node) {
            case 0 -> "trainer";
            case 1 -> ClassArchive.COORDINATOR;
            default -> ClassArchive.WORKER;
        };
    }

    /**
     * The beginning of the command line of a small JVM of this installation, with the flags that Inflight needs. Its
     * class path must be {@link ClassArchive#classPath}.
     *
     * @param archive flags of {@link ClassArchive}
     */
    public static List<String> jvm(List<String> archive, String... flags) {
        List<String> command = new ArrayList<>();
        command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        command.addAll(List.of(System.getProperty(JVM_ARGS).split(" ")));
        command.addAll(List.of("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto"));
        command.addAll(archive);
        command.addAll(List.of(flags));
        return command;
    }

    /** Exit codes by node; as soon as one failed the others get little time. A node without one was still running. */
    private Map<Integer, Integer> exits(List<Process> processes, Duration limit) throws InterruptedException {
        Map<Integer, Integer> exits = new TreeMap<>();
        long deadline = System.nanoTime() + limit.toNanos();
        List<Process> running = new ArrayList<>(processes);
        while (!running.isEmpty() && System.nanoTime() < deadline) {
            Process next = running.getFirst();
            next.waitFor(50, TimeUnit.MILLISECONDS);
            for (Process process : List.copyOf(running)) {
                if (!process.isAlive()) {
                    running.remove(process);
                    int node = processes.indexOf(process);
                    exits.put(node, process.exitValue());
                    if (process.exitValue() != expected(node)) {
                        deadline = Math.min(deadline, System.nanoTime() + GRACE.toNanos());
                    }
                }
            }
        }
        return exits;
    }

    private int expected(int node) {
        return killed.contains(node) ? SIGKILL_EXIT : 0;
    }

    private void verify(Map<Integer, Integer> exits, Path logs, Duration limit) throws IOException {
        StringBuilder failures = new StringBuilder();
        for (int node = 0; node < nodes; node++) {
            Integer exit = exits.get(node);
            if (exit == null || exit != expected(node)) {
                failures.append("\n--- node ")
                        .append(node)
                        .append(
                                exit == null
                                        ? " did not end within " + limit.toSeconds() + " s"
                                        : " exited with " + exit)
                        .append("; the end of ")
                        .append(log(logs, node).toAbsolutePath())
                        .append(":\n")
                        .append(lastLines(log(logs, node)));
            }
        }
        if (!failures.isEmpty()) {
            throw new AssertionError(name + " failed" + failures);
        }
    }

    private static String lastLines(Path log) throws IOException {
        // Not readAllLines: a log may hold anything.
        List<String> lines = new String(Files.readAllBytes(log), StandardCharsets.UTF_8)
                .lines()
                .toList();
        return String.join("\n", lines.subList(Math.max(0, lines.size() - LAST_LINES), lines.size()));
    }

    private static Path log(Path logs, int node) {
        return logs.resolve("node-" + node + ".log");
    }
}
