package dev.inflight.engine;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.LinkedHashMap;
import java.util.Map;

/** The engine's process: parses flags, serves HTTP, attends the worker's link until it is killed. */
public final class ReferenceEngine {
    private static final long PARENT_POLL_MS = 1_000;

    private ReferenceEngine() {}

    /** Runs an engine; {@link EngineFlags#USAGE} says with which flags. Exits with 2 if they make no sense. */
    public static void main(String... arguments) throws IOException {
        EngineFlags flags;
        try {
            flags = EngineFlags.parse(arguments);
        } catch (EngineFlags.BadFlagException e) {
            System.err.println("inflight engine: " + e.getMessage());
            System.exit(2);
            return;
        }
        Thread.setDefaultUncaughtExceptionHandler(ReferenceEngine::die);
        flags.exitWithParent().ifPresent(ReferenceEngine::exitWith);
        run(flags);
    }

    private static void run(EngineFlags flags) throws IOException {
        EngineState state = new EngineState(flags.model(), flags.modes());
        RequestGate gate = new RequestGate(flags.pauseTimeoutMs(), flags.drainTimeoutMs());
        WeightUpdates updates = new WeightUpdates(state, gate, parameters(flags), flags.share(), System::nanoTime);
        EngineHttp http = EngineHttp.start(flags, updates, gate);
        if (flags.announce().isPresent()) {
            announce(flags.announce().get(), flags.id(), http.uri());
        }
        Thread.ofPlatform().name("engine-link").start(new LinkClient(flags, updates, System.err));
    }

    private static Parameters parameters(EngineFlags flags) {
        return new Parameters(flags.reserveShadow(), WarmMemory.touch(flags.warmBytes()));
    }

    // By rename: whoever sees the file sees all of it.
    private static void announce(Path file, String id, String uri) throws IOException {
        Map<String, Object> fields = new LinkedHashMap<>();
        fields.put("engine", id);
        fields.put("pid", ProcessHandle.current().pid());
        fields.put("http", uri);
        Path target = file.toAbsolutePath();
        Path unready = target.resolveSibling(
                target.getFileName() + "." + ProcessHandle.current().pid());
        Files.writeString(unready, SmallJson.object(fields) + "\n");
        Files.move(unready, target, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
    }

    // Polls: a process that is not our child, or died before we looked, gives no other sign.
    private static void exitWith(long parent) {
        Thread.ofVirtual().name("parent-watch").start(() -> {
            try {
                while (ProcessHandle.of(parent).filter(ProcessHandle::isAlive).isPresent()) {
                    Thread.sleep(PARENT_POLL_MS);
                }
            } catch (InterruptedException e) {
                return;
            }
            System.err.println("inflight engine: process %d is gone; exiting".formatted(parent));
            Runtime.getRuntime().halt(0);
        });
    }

    private static void die(Thread thread, Throwable cause) {
        System.err.println("inflight engine: thread %s failed; exiting".formatted(thread.getName()));
        cause.printStackTrace();
        Runtime.getRuntime().halt(1);
    }
}
