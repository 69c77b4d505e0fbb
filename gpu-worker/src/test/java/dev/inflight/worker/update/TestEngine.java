package dev.inflight.worker.update;

import dev.inflight.engine.ReferenceEngine;
import dev.inflight.worker.link.EngineLink;
import dev.inflight.worker.link.EngineSession;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;

/** A reference engine in this process, and a worker's link that it is attached to. */
final class TestEngine implements AutoCloseable {
    final EngineSession session;
    private final EngineLink link;

    private TestEngine(EngineLink link, EngineSession session) {
        this.link = link;
        this.session = session;
    }

    /**
     * @param name of the engine and its files
     * @param worker id of the worker
     * @param more flags of the engine
     */
    static TestEngine start(Path directory, String name, String worker, List<String> more) throws Exception {
        var attached = new CompletableFuture<EngineSession>();
        var link = EngineLink.listen(directory.resolve(name + ".sock"), worker, new EngineLink.Listener() {
            @Override
            public void attached(EngineSession session) {
                attached.complete(session);
            }

            @Override
            public void detached(EngineSession session, String reason) {}
        });
        var flags = new ArrayList<>(List.of(
                "--link",
                link.socket().toString(),
                "--id",
                "engine-" + name,
                "--model",
                "m",
                "--modes",
                "in-place,shadow",
                "--http-port",
                "0",
                "--announce",
                directory.resolve(name + ".json").toString()));
        flags.addAll(more);
        Thread.ofPlatform().daemon().start(() -> {
            try {
                ReferenceEngine.main(flags.toArray(String[]::new));
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        });
        return new TestEngine(link, attached.get(20, TimeUnit.SECONDS));
    }

    @Override
    public void close() {
        link.close();
    }
}
