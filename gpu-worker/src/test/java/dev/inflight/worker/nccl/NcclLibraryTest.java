package dev.inflight.worker.nccl;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class NcclLibraryTest {
    @TempDir
    Path directory;

    @Test
    void knowsItsVersionAndMakesIds() throws Exception {
        FakeNccl fake = FakeNccl.build(directory);
        NcclLibrary library = NcclLibrary.load(fake.file);
        assertThat(library.version()).isEqualTo(22803);
        assertThat(library).hasToString("NCCL 2.28.3 (" + fake.file + ")");
        byte[] descending = new byte[NcclId.BYTES];
        for (int i = 0; i < descending.length; i++) {
            descending[i] = (byte) (255 - i);
        }
        assertThat(library.newId().bytes()).isEqualTo(descending);
    }

    @Test
    void saysWhyItCanNotMakeAnId() throws Exception {
        FakeNccl fake = FakeNccl.build(directory);
        fake.set("id_result", 2);
        fake.lastError("Bootstrap : no socket interface found\n");
        NcclLibrary library = NcclLibrary.load(fake.file);
        assertThatThrownBy(library::newId)
                .isInstanceOf(NcclException.class)
                .hasMessage("ncclGetUniqueId: unhandled system error (2); NCCL's last error: "
                        + "Bootstrap : no socket interface found");
    }

    @Test
    void refusesAnOldLibrary() throws Exception {
        FakeNccl fake = FakeNccl.build(directory);
        fake.set("version", 21304);
        assertThatThrownBy(() -> NcclLibrary.load(fake.file))
                .isInstanceOf(NcclException.class)
                .hasMessageContaining("NCCL 2.13.4")
                .hasMessageContaining("too old");
    }

    @Test
    void namesTheFunctionThatALibraryLacks() throws Exception {
        Path library = FakeNccl.compile(directory, List.of("-DncclCommFinalize=other"));
        assertThatThrownBy(() -> NcclLibrary.load(library))
                .isInstanceOf(NcclException.class)
                .hasMessageStartingWith(library + " has no ncclCommFinalize");
    }

    @Test
    void namesAFileThatIsMissingOrNoLibrary() throws Exception {
        Path missing = directory.resolve("missing.so");
        assertThatThrownBy(() -> NcclLibrary.load(missing)).hasMessage(missing + ": no such file");
        Path text = Files.writeString(directory.resolve("text.so"), "no ELF");
        assertThatThrownBy(() -> NcclLibrary.load(text)).hasMessage(text + ": the loader does not take it");
    }
}
