package dev.inflight.tests.multijvm;

import java.io.File;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.List;
import java.util.jar.JarEntry;
import java.util.jar.JarOutputStream;
import java.util.stream.Stream;

/**
 * Class-data archives of the JVMs that tests start: most of what a small JVM does at its start is loading classes. The
 * first JVM of a kind writes the archive when it ends, unless it is killed; later ones map it. Archives hold classes out
 * of jars only, so the class path of these JVMs has a jar in place of each directory.
 */
public final class ClassArchive {
    public static final String COORDINATOR = "coordinator";
    public static final String WORKER = "worker";

    /** System property of JVMs of a run: where the archives are. */
    private static final String DIRECTORY = "inflight.test.archives";

    private static final String CLASS_PATH = "java.class.path";
    private static final String MAKE = "-XX:ArchiveClassesAtExit=";

    private ClassArchive() {}

    /** Flags for a JVM of this kind, which leaves an archive if it is the first and ends in order. */
    public static List<String> flags(String kind) {
        return flags(kind, true);
    }

    /** Flags for a JVM that is going to be killed. */
    public static List<String> existing(String kind) {
        return flags(kind, false);
    }

    private static List<String> flags(String kind, boolean make) {
        try {
            Path directory = directory();
            Path archive = directory.resolve(kind + ".jsa");
            List<String> flags = new ArrayList<>(
                    List.of("-D" + DIRECTORY + "=" + directory, "-Xlog:cds=off", "-Xlog:cds+dynamic=off"));
            if (Files.exists(archive)) {
                flags.add("-XX:SharedArchiveFile=" + archive);
            } else if (make && first(directory.resolve(kind + ".made"))) {
                flags.add(MAKE + archive);
            }
            return flags;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Whether a JVM with this command line should end in order, so that it leaves an archive. */
    public static boolean isMadeBy(List<String> command) {
        return command.stream().anyMatch(flag -> flag.startsWith(MAKE));
    }

    private static boolean first(Path mark) throws IOException {
        try {
            Files.createFile(mark);
            return true;
        } catch (FileAlreadyExistsException e) {
            return false;
        }
    }

    /** The class path of this JVM without directories. */
    public static String classPath() {
        String own = System.getProperty(CLASS_PATH);
        if (System.getProperty(DIRECTORY) != null) {
            return own;
        }
        List<String> jars = new ArrayList<>();
        for (String entry : own.split(File.pathSeparator)) {
            Path path = Path.of(entry);
            jars.add(Files.isDirectory(path) ? jar(path).toString() : entry);
        }
        return String.join(File.pathSeparator, jars);
    }

    private static Path jar(Path classes) {
        try {
            Path jar = directory().resolve(classes.getFileName() + ".jar");
            if (!Files.exists(jar)) {
                Path making = Files.createTempFile(jar.getParent(), "making-", ".jar");
                try (JarOutputStream out = new JarOutputStream(Files.newOutputStream(making));
                        Stream<Path> files = Files.walk(classes)) {
                    for (Path file : files.filter(Files::isRegularFile).toList()) {
                        out.putNextEntry(new JarEntry(classes.relativize(file).toString()));
                        Files.copy(file, out);
                    }
                }
                Files.move(making, jar, StandardCopyOption.ATOMIC_MOVE);
            }
            return jar;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Another one after every build: an archive is of no use to a JVM with other jars. */
    private static Path directory() throws IOException {
        String given = System.getProperty(DIRECTORY);
        if (given != null) {
            return Path.of(given);
        }
        long newest = 0;
        for (String entry : System.getProperty(CLASS_PATH).split(File.pathSeparator)) {
            newest = Math.max(newest, newest(Path.of(entry)));
        }
        return Files.createDirectories(
                Path.of("target", "class-archives", Long.toHexString(newest)).toAbsolutePath());
    }

    private static long newest(Path entry) throws IOException {
        if (!Files.exists(entry)) {
            return 0;
        }
        try (Stream<Path> files = Files.walk(entry)) {
            return files.mapToLong(file -> file.toFile().lastModified()).max().orElse(0);
        }
    }
}
