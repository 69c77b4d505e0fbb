package dev.inflight.cli.demo;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/** The virtual environment of the Python package, with torch in it. */
final class PythonEnvironment {
    private PythonEnvironment() {}

    /**
     * The environment's interpreter. Builds the environment first if it is missing or its requirements have changed,
     * which downloads torch; the script does nothing if it is complete.
     *
     * @throws FleetException if it cannot be built
     */
    static Path interpreter(LocalRun run, Path home) throws InterruptedException {
        Path interpreter = home.resolve("python/.venv/bin/python");
        Path script = home.resolve("python/build-venv.sh");
        if (!Files.exists(home.resolve("python/.venv/complete"))) {
            System.err.println("building python/.venv with torch (once, a few minutes)");
        }
        run.complete("build-venv", List.of("bash", script.toString()));
        if (!Files.isExecutable(interpreter)) {
            throw new FleetException(script + " made no " + interpreter + "; it needs Python 3.10 or newer");
        }
        return interpreter;
    }
}
