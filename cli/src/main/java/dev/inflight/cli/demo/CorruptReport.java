package dev.inflight.cli.demo;

import com.fasterxml.jackson.annotation.JsonInclude;
import dev.inflight.cli.demo.DemoReport.Requests;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Outcome of a scenario in which bits are flipped in five places.
 *
 * @param engine {@code reference} or {@code torch}
 * @param mode of the updates
 * @param workers GPU workers, each with one engine and a host of its own
 * @param bytes size of the checkpoint
 * @param tensors number of tensors
 * @param outcome "detected" if all places were found, and each damage was named and mended or refused
 * @param detectedBy what found each, in the order of {@code places}
 * @param requests of the clients, to all engines, until a bit of live weights was flipped
 * @param verified whether every engine's live tensors equal the manifest once all is mended
 */
public record CorruptReport(
        String scenario,
        String engine,
        String mode,
        int workers,
        long bytes,
        int tensors,
        String outcome,
        List<String> detectedBy,
        List<Place> places,
        Requests requests,
        boolean verified)
        implements ScenarioReport {

    /**
     * One flipped bit.
     *
     * @param place {@code file}, {@code store}, {@code wire}, {@code slot} or {@code live}
     * @param detected whether it was found before an engine served it; of {@code live}, whether it was found
     * @param detectedBy what found it
     * @param namedTensor the tensor that was named; null if it was not the right one
     * @param namedFile the same of the checkpoint's file; null also where only the tensor is told
     * @param namedHost the host that was named
     * @param repaired what it was mended from; null if it was refused or reported
     * @param refused whether the update was refused, so that engines stayed with what they had
     * @param seconds from the flip to the answer that told of it
     */
    @JsonInclude(JsonInclude.Include.ALWAYS)
    public record Place(
            String place,
            boolean detected,
            String detectedBy,
            @Nullable String namedTensor,
            @Nullable String namedFile,
            @Nullable String namedHost,
            @Nullable String repaired,
            boolean refused,
            double seconds) {
        boolean shown() {
            boolean dealtWith = place.equals("live") || repaired != null || refused;
            return detected && namedTensor != null && namedHost != null && dealtWith;
        }
    }

    @Override
    public boolean passed() {
        return ScenarioReport.super.passed()
                && places.size() == 5
                && places.stream().allMatch(Place::shown);
    }
}
