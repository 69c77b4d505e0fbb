package dev.inflight.worker.link;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIOException;
import static org.assertj.core.api.Assumptions.assumeThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class RunDirectoryTest {
    @TempDir
    private Path directory;

    @Test
    void isMadeForItsOwnerAlone() throws IOException {
        Path made = directory.resolve("a/b");
        RunDirectory.prepare(made);
        assertThat(modeOf(made)).isEqualTo("rwx------");
        assertThat(modeOf(made.getParent())).isEqualTo("rwx------");
        RunDirectory.prepare(made);
        assertThat(made).isEmptyDirectory();
    }

    @Test
    void isRefusedWhereOthersMayReplaceTheSockets() throws IOException {
        Files.setPosixFilePermissions(directory, PosixFilePermissions.fromString("rwxrwxrwx"));
        assertThatIOException()
                .isThrownBy(() -> RunDirectory.prepare(directory))
                .withMessageStartingWith(directory + ": other users may write there");
        Files.setPosixFilePermissions(directory, PosixFilePermissions.fromString("rwxr-xr-x"));
        RunDirectory.prepare(directory);
    }

    @Test
    void isRefusedIfItIsAnotherUsers() throws IOException {
        assumeThat(Files.getAttribute(directory, "unix:uid"))
                .as("root, who can give it away")
                .isEqualTo(0);
        Files.setAttribute(directory, "unix:uid", 65_534);
        assertThatIOException()
                .isThrownBy(() -> RunDirectory.prepare(directory))
                .withMessageContaining("choose another --run-dir");
    }

    @Test
    void mayBeSharedIfItIsSticky() throws IOException {
        RunDirectory.prepare(Path.of("/tmp"));
    }

    private static String modeOf(Path path) throws IOException {
        return PosixFilePermissions.toString(Files.getPosixFilePermissions(path));
    }
}
