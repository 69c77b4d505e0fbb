package dev.inflight.tests.e2e;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.SortedSet;
import java.util.TreeSet;
import java.util.UUID;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * All processes that descend from one command, also those whose parents are gone: children inherit the environment, and
 * the command's holds a mark.
 */
final class MarkedProcesses {
    static final String VARIABLE = "INFLIGHT_TEST_MARK";

    private static final Pattern RUN = Pattern.compile("inflight-(run-[0-9a-f]{8})");

    private final String mark = UUID.randomUUID().toString();
    private final Set<String> runs = new TreeSet<>();

    /** What {@link #VARIABLE} must be set to. */
    String mark() {
        return mark;
    }

    /** Command lines of those alive, by process id. */
    List<String> alive() {
        List<String> alive = new ArrayList<>();
        ProcessHandle.allProcesses().forEach(process -> {
            if (read(process.pid(), "environ").contains(VARIABLE + "=" + mark)) {
                String commandLine =
                        read(process.pid(), "cmdline").replace('\0', ' ').strip();
                // A process that has just died has an environment for a moment longer, but no command line.
                if (!commandLine.isEmpty()) {
                    alive.add(process.pid() + " " + commandLine);
                    Matcher run = RUN.matcher(commandLine);
                    while (run.find()) {
                        runs.add(run.group(1));
                    }
                }
            }
        });
        return alive;
    }

    /**
     * How nice the threads of a process are.
     *
     * @param pid its id, or {@code self}
     */
    static SortedSet<Integer> niceness(String pid) {
        SortedSet<Integer> values = new TreeSet<>();
        try (Stream<Path> threads = Files.list(Path.of("/proc", pid, "task"))) {
            for (Path thread : threads.toList()) {
                String stat = readIfThere(thread.resolve("stat"));
                if (!stat.isEmpty()) {
                    values.add(Integer.parseInt(
                            stat.substring(stat.lastIndexOf(')') + 2).split(" ")[16]));
                }
            }
        } catch (IOException e) {
            // It has ended.
        }
        return values;
    }

    /** Kills one whose command line has this in it. */
    void kill(String part) {
        String line = alive().stream()
                .filter(command -> command.contains(part))
                .findFirst()
                .orElseThrow();
        ProcessHandle.of(Long.parseLong(line.substring(0, line.indexOf(' '))))
                .ifPresent(ProcessHandle::destroyForcibly);
    }

    /** Ids of the local runs seen in command lines so far. */
    Set<String> runs() {
        return runs;
    }

    /** Files of those runs that are still there. */
    List<Path> files() throws IOException {
        List<Path> files = new ArrayList<>();
        for (Path directory : List.of(Path.of("/tmp"), Path.of("/dev/shm"))) {
            try (Stream<Path> entries = Files.list(directory)) {
                entries.filter(entry -> runs.stream()
                                .anyMatch(run -> entry.getFileName().toString().contains(run)))
                        .forEach(files::add);
            }
        }
        return files;
    }

    private static String read(long pid, String file) {
        return readIfThere(Path.of("/proc", String.valueOf(pid), file));
    }

    private static String readIfThere(Path file) {
        try {
            return new String(Files.readAllBytes(file), StandardCharsets.UTF_8);
        } catch (IOException e) {
            // Gone, or another user's.
            return "";
        }
    }
}
