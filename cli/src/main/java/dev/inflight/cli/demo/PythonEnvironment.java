package dev.inflight.cli.demo;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** The virtual environment of the Python package, with torch in it. */
final class PythonEnvironment {
    private PythonEnvironment() {}

    /**
     * The environment's interpreter. Builds the environment first if it is missing or its requirements have changed,
     * which downloads torch; the script does nothing if it is complete.
     *
     * @throws FleetException if it cannot be built
     */
    static Path interpreter(Path home, Path log) throws InterruptedException {
        Path interpreter = home.resolve("python/.venv/bin/python");
        Path script = home.resolve("python/build-venv.sh");
        if (!Files.exists(home.resolve("python/.venv/complete"))) {
            System.err.println("building python/.venv with torch (once, a few minutes)");
        }
        try {
            Process build = new ProcessBuilder("bash", script.toString())
                    .directory(home.toFile())
                    .redirectErrorStream(true)
                    .redirectOutput(log.toFile())
                    .start();
            int exitCode;
            try {
                exitCode = build.waitFor();
            } catch (InterruptedException e) {
                build.destroy();
                throw e;
            }
            if (exitCode != 0 || !Files.isExecutable(interpreter)) {
                throw new FleetException(script + " ended with exit code " + exitCode
                        + "; run it by hand, it needs Python 3.10 or newer");
            }
        } catch (IOException e) {
            throw new FleetException("cannot run " + script + ": " + e.getMessage(), e);
        }
        return interpreter;
    }
}
