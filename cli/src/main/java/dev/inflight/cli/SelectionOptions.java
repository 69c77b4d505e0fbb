package dev.inflight.cli;

import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** The options that say which engines of a model are meant. */
final class SelectionOptions {
    @Option(
            names = "--group",
            paramLabel = "ID",
            description =
                    "Only the engine, or those of the worker or worker host, with this id; several ids are joined by |.")
    private @Nullable String group;

    @Option(
            names = "--select",
            paramLabel = "LABELS",
            description = "Only engines with all of these labels, e.g. tenant=a,domain=chat.")
    private @Nullable String select;

    @Nullable
    String group() {
        return group;
    }

    @Nullable
    String select() {
        return select;
    }
}
