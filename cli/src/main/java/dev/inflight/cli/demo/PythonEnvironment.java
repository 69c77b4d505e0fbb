package dev.inflight.cli.demo;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** The Python that torch engines run on. */
final class PythonEnvironment {
    /** A Python with torch of the user's own, as path or as name on the search path. */
    static final String INTERPRETER = "INFLIGHT_PYTHON";

    private PythonEnvironment() {}

    /**
     * The interpreter that the environment names, or else the one of the project's own virtual environment. Builds that
     * first if it is missing or its requirements have changed, which downloads torch; the script does nothing if it is
     * complete.
     *
     * @param environment of this process
     * @throws FleetException if it cannot be built
     */
    static Path interpreter(LocalRun run, Path home, Map<String, String> environment) throws InterruptedException {
        @Nullable String chosen = environment.get(INTERPRETER);
        if (chosen != null && !chosen.isBlank()) {
            return Path.of(chosen);
        }
        Path interpreter = home.resolve("python/.venv/bin/python");
        Path script = home.resolve("python/build-venv.sh");
        if (!Files.exists(home.resolve("python/.venv/complete"))) {
            System.err.println("building python/.venv with torch (once, a few minutes); set " + INTERPRETER
                    + " to use a Python that has it");
        }
        run.complete("build-venv", List.of("bash", script.toString()));
        if (!Files.isExecutable(interpreter)) {
            throw new FleetException(script + " made no " + interpreter + "; it needs Python 3.10 or newer");
        }
        return interpreter;
    }
}
