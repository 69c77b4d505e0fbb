package dev.inflight.tests.fleet;

import dev.inflight.tests.multijvm.ClassArchive;
import dev.inflight.tests.multijvm.MultiJvm;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** A worker host that is no node of the spec: started later, as {@code inflight node}, it joins the spec's cluster. */
final class WorkerProcess {
    private WorkerProcess() {}

    /**
     * @param directory where it listens for its engine and writes its log
     * @param name the host's name
     * @param seed address of a member to join
     * @param port of its actor system
     */
    static Process start(Path directory, String name, String seed, int port) throws IOException {
        List<String> command = new ArrayList<>(MultiJvm.jvm(ClassArchive.existing(ClassArchive.WORKER), "-Xmx256m"));
        command.add("-Dinflight.home=" + Path.of("..").toAbsolutePath().normalize());
        command.add("-Dinflight.worker.slot-memory=8MiB");
        // Its class path holds the multi-node testkit too.
        command.add("-Dakka.fail-mixed-versions=off");
        command.addAll(List.of("-cp", ClassArchive.classPath(), "dev.inflight.cli.Inflight", "node"));
        command.addAll(List.of("--role", "worker", "--name", name, "--seed", seed, "--port", String.valueOf(port)));
        command.addAll(List.of("--run-dir", directory.toString()));
        command.addAll(List.of(
                "--exit-with-parent", String.valueOf(ProcessHandle.current().pid())));
        return new ProcessBuilder(command)
                .redirectErrorStream(true)
                .redirectOutput(directory.resolve("returned-" + name + ".log").toFile())
                .start();
    }
}
