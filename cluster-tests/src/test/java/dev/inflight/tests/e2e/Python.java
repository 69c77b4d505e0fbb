package dev.inflight.tests.e2e;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Assumptions;

/** The Python environment that the build of python/ makes. */
public final class Python {
    private Python() {}

    /** The interpreter; the calling test is skipped, loudly, where this machine has no usable Python. */
    public static Path require() throws IOException, InterruptedException {
        Path python = Launched.HOME.resolve("python");
        int exitCode = new ProcessBuilder(
                        "bash", python.resolve("build-venv.sh").toString())
                .inheritIO()
                .start()
                .waitFor();
        if (exitCode != 0) {
            throw new AssertionError("python/build-venv.sh ended with " + exitCode);
        }
        Path skipped = python.resolve("target/python-skipped");
        if (Files.exists(skipped)) {
            String why = Files.readString(skipped).strip();
            System.err.println("************************************************************************");
            System.err.println("*  SKIPPED: end-to-end tests with the torch engine: " + why);
            System.err.println("************************************************************************");
            Assumptions.abort(why);
        }
        return python.resolve(".venv/bin/python");
    }
}
