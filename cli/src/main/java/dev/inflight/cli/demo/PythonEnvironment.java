package dev.inflight.cli.demo;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** The virtual environment of the Python package, with torch in it. */
final class PythonEnvironment {
    private PythonEnvironment() {}

    /**
     * The environment's interpreter; builds the environment first if there is none, which downloads torch.
     *
     * @throws FleetException if it cannot be built
     */
    static Path interpreter(Path home, Path log) throws InterruptedException {
        Path interpreter = home.resolve("python/.venv/bin/python");
        if (Files.isExecutable(interpreter)) {
            return interpreter;
        }
        Path script = home.resolve("python/build-venv.sh");
        System.err.println("building python/.venv with torch (once, minutes)");
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
