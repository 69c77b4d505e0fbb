package dev.inflight.cli.doctor;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;

/** Programs: the JDK, Maven, Python with torch. */
final class ToolChecks {
    private static final int LEAST_JAVA = 25;

    private final Optional<Path> home;

    ToolChecks(Optional<Path> home) {
        this.home = home;
    }

    List<Check> run() throws InterruptedException {
        return List.of(java(), maven(), python(), torch());
    }

    private static Check java() {
        String found = Runtime.version() + " in " + System.getProperty("java.home");
        return Runtime.version().feature() >= LEAST_JAVA
                ? Check.ok("JDK", found)
                : Check.fail("JDK", found, "install JDK 25 and point INFLIGHT_JAVA_HOME at it");
    }

    private static Check maven() throws InterruptedException {
        return Program.output("mvn", "--version")
                .map(text ->
                        Check.ok("Maven", text.lines().findFirst().orElse("").replaceAll("\\e\\[[0-9;]*m", "")))
                .orElseGet(() -> Check.warn("Maven", "not found", "install Maven 3.8 or newer to build from source"));
    }

    private static Check python() throws InterruptedException {
        String needed = "install Python 3.10 or newer for the torch engine; everything else works without";
        Optional<String> version = Program.output(
                "python3",
                "-c",
                "import sys; print('%d.%d.%d' % sys.version_info[:3], int(sys.version_info >= (3,10)))");
        if (version.isEmpty()) {
            return Check.warn("Python", "not found", needed);
        }
        String found = version.get().substring(0, version.get().indexOf(' '));
        return version.get().endsWith(" 1") ? Check.ok("Python", found) : Check.warn("Python", found, needed);
    }

    private Check torch() throws InterruptedException {
        String interpreter = Optional.ofNullable(System.getenv("INFLIGHT_PYTHON"))
                .filter(named -> !named.isBlank())
                .or(() -> home.map(root -> root.resolve("python/.venv/bin/python"))
                        .filter(Files::isExecutable)
                        .map(Path::toString))
                .orElse("python3");
        return Program.output(interpreter, "-c", "import torch; print(torch.__version__)")
                .map(version -> Check.ok("torch", version + " in " + interpreter))
                .orElseGet(() -> Check.warn(
                        "torch",
                        "not in " + interpreter,
                        "run python/build-venv.sh, or let `inflight demo --engine torch` do it"));
    }
}
