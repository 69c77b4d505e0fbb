package dev.inflight.cli.demo;

import java.io.File;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;

/**
 * The Inflight this process runs from, with which it starts others.
 *
 * @param java the JVM's launcher
 * @param classPath this process's class path
 * @param home root of the checkout, if the {@code inflight} launcher started this process
 */
public record Installation(Path java, String classPath, Optional<Path> home) {
    /** Flags every Inflight JVM needs; the same as {@code inflight.jvm.args} of the build and as the launcher's. */
    static final List<String> JVM_FLAGS = List.of(
            "--enable-native-access=ALL-UNNAMED",
            "--sun-misc-unsafe-memory-access=allow",
            "--add-opens=java.base/sun.nio.ch=ALL-UNNAMED",
            "--add-opens=java.base/jdk.internal.misc=ALL-UNNAMED");

    public static Installation current() {
        return new Installation(
                Path.of(System.getProperty("java.home"), "bin", "java"),
                System.getProperty("java.class.path"),
                Optional.ofNullable(System.getProperty("inflight.home")).map(Path::of));
    }

    /** Command line of a JVM of this installation. */
    List<String> jvm(List<String> flags, String mainClass) {
        List<String> command = new ArrayList<>();
        command.add(java.toString());
        command.addAll(JVM_FLAGS);
        command.addAll(flags);
        home.ifPresent(root -> command.add("-Dinflight.home=" + root));
        command.add("-cp");
        command.add(classPath);
        command.add(mainClass);
        return command;
    }

    /** @throws FleetException if this process was not started from a checkout */
    Path requireHome() {
        return home.orElseThrow(() ->
                new FleetException("the torch engine needs the checkout's python/ folder; start with ./inflight"));
    }

    /** Where class-data archives are kept, made by the launcher; they need a class path of jars only. */
    Optional<Path> archives() {
        boolean jarsOnly = Stream.of(classPath.split(File.pathSeparator)).allMatch(entry -> entry.endsWith(".jar"));
        return home.map(root -> root.resolve("cli/target/cds")).filter(path -> jarsOnly && Files.isDirectory(path));
    }
}
