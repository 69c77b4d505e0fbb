package dev.inflight.cli.demo;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/**
 * Class-data archives, one for each role of a JVM: with them the next fleet starts faster. The first process of a role
 * for which there is none writes one when it ends, and the run keeps it if it succeeded: an archive of a process that
 * failed early would hold too little, for ever. Thread-safe.
 */
final class ClassArchives {
    private final LocalRun run;
    private final Optional<Path> directory;
    private final Set<String> beingMade = new HashSet<>();

    ClassArchives(LocalRun run, Installation installation) {
        this.run = run;
        this.directory = installation.archives();
    }

    /** JVM flags for the next process of a role. */
    synchronized List<String> flags(String role) {
        if (directory.isEmpty()) {
            return List.of();
        }
        Path archive = directory.get().resolve(role + ".jsa");
        if (Files.exists(archive)) {
            return List.of("-XX:SharedArchiveFile=" + archive, "-Xlog:cds=off", "-Xlog:cds+dynamic=off");
        }
        if (!beingMade.add(role)) {
            return List.of();
        }
        Path made = run.directory().path().resolve(role + ".jsa");
        run.keepIfSucceeded(made, archive);
        return List.of("-XX:ArchiveClassesAtExit=" + made, "-Xlog:cds=off", "-Xlog:cds+dynamic=off");
    }
}
