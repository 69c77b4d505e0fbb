package dev.inflight.cli.doctor;

import java.io.File;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.util.Optional;
import java.util.concurrent.TimeUnit;

/** Asks another program something, without waiting for it for ever. */
final class Program {
    private static final int LIMIT_SECONDS = 20;

    private Program() {}

    /** What the program printed, both streams together; empty if it is missing, failed or took too long. */
    static Optional<String> output(String... command) throws InterruptedException {
        try {
            File file = File.createTempFile("inflight-doctor", ".txt");
            try {
                Process process = new ProcessBuilder(command)
                        .redirectErrorStream(true)
                        .redirectInput(new File("/dev/null"))
                        .redirectOutput(file)
                        .start();
                if (!process.waitFor(LIMIT_SECONDS, TimeUnit.SECONDS)) {
                    process.destroyForcibly();
                    return Optional.empty();
                }
                String text = Files.readString(file.toPath(), StandardCharsets.UTF_8);
                return process.exitValue() == 0 ? Optional.of(text.strip()) : Optional.empty();
            } finally {
                Files.deleteIfExists(file.toPath());
            }
        } catch (IOException e) {
            return Optional.empty();
        }
    }
}
