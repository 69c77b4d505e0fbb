package dev.inflight.cli;

import com.fasterxml.jackson.databind.JsonNode;
import dev.inflight.cli.client.Operation;
import dev.inflight.cli.console.ByteSize;
import java.nio.file.Path;
import java.util.Locale;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

@Command(name = "publish", description = "Publish a safetensors checkpoint as a version of a model.")
@SuppressWarnings("NullAway.Init")
final class PublishCommand implements Callable<Integer> {
    @Mixin
    private OperationRun run;

    @Mixin
    private OriginOptions origin;

    @Option(names = "--model", required = true, paramLabel = "NAME", description = "Model the checkpoint belongs to.")
    private String model;

    @Option(names = "--version", required = true, paramLabel = "VERSION", description = "Name of the new version.")
    private String version;

    @Parameters(
            paramLabel = "SOURCE",
            description = "A .safetensors file, an index file or a directory, as the worker hosts see it. Files in"
                    + " /dev/shm are taken in place: keep them until the version is no longer wanted.")
    private Path source;

    @Override
    public Integer call() throws InterruptedException {
        String path = source.toAbsolutePath().normalize().toString();
        Operation operation =
                run.await((client, progress) -> client.publish(model, version, path, origin.origin(), progress));
        return run.print(operation, PublishCommand::text);
    }

    private static String text(Operation operation) {
        if (operation.result() == null) {
            return "published";
        }
        JsonNode result = operation.result();
        return String.format(
                Locale.ROOT,
                "%s %s published: %d tensors, %s in %.2f s%s, manifest %s",
                result.path("model").asText(),
                result.path("version").asText(),
                result.path("tensors").asLong(),
                ByteSize.format(result.path("bytes").asLong()),
                result.path("seconds").asDouble(),
                result.path("inPlace").asBoolean() ? " (in place)" : "",
                result.path("digest").asText());
    }
}
