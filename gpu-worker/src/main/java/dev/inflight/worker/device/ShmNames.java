package dev.inflight.worker.device;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.util.concurrent.atomic.AtomicLong;
import java.util.regex.Pattern;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Names of a node's shared-memory files: {@code inflight-<node>-<pid>-<purpose>-<n>}. The process id lets the next
 * start of the node remove what a killed one left behind; the node's name, spelled as it is, lets those who run nodes
 * under names of their own remove what all of them left.
 */
public final class ShmNames {
    private static final Logger LOG = LoggerFactory.getLogger(ShmNames.class);

    private final Path directory;
    private final String prefix;
    private final AtomicLong next = new AtomicLong();

    /** @param directory a tmpfs, {@code /dev/shm} unless configured otherwise */
    public ShmNames(Path directory, String node) {
        this.directory = directory;
        this.prefix = "inflight-" + node.replaceAll("[^A-Za-z0-9_.-]", "_") + "-";
    }

    public Path directory() {
        return directory;
    }

    /**
     * A path no other file of this process has.
     *
     * @param purpose lower-case letters, then perhaps digits
     */
    public Path fresh(String purpose) {
        return directory.resolve(prefix + ProcessHandle.current().pid() + "-" + purpose + "-" + next.getAndIncrement());
    }

    /** A media driver's directory has its files under it. */
    private static void delete(Path path) throws IOException {
        if (Files.isDirectory(path, LinkOption.NOFOLLOW_LINKS)) {
            try (var below = Files.newDirectoryStream(path)) {
                for (var file : below) {
                    delete(file);
                }
            }
        }
        Files.deleteIfExists(path);
    }

    /** Deletes files of earlier processes of this node that are no longer alive. */
    public void sweep() {
        // Of another node the name may begin with this one's: what follows must be all there is.
        var ours = Pattern.compile(Pattern.quote(prefix) + "(\\d+)-[a-z][a-z0-9]*-\\d+");
        try (var files = Files.newDirectoryStream(directory, prefix + "*")) {
            for (var file : files) {
                var match = ours.matcher(file.getFileName().toString());
                if (match.matches()
                        && ProcessHandle.of(Long.parseLong(match.group(1))).isEmpty()) {
                    sweep(file);
                }
            }
        } catch (IOException e) {
            LOG.warn("can not look for stale files in {}: {}", directory, e.toString());
        }
    }

    private static void sweep(Path file) {
        try {
            delete(file);
            LOG.info("removed {}, left by a process that is gone", file);
        } catch (IOException e) {
            LOG.warn("can not remove {}, left by a process that is gone: {}", file, e.toString());
        }
    }
}
