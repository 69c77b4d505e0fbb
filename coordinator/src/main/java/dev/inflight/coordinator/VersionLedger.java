package dev.inflight.coordinator;

import dev.inflight.coordinator.fleet.Fleet;
import dev.inflight.coordinator.fleet.FleetHost;
import dev.inflight.coordinator.ledger.LedgerEntry.OperationEnded;
import dev.inflight.coordinator.ledger.LedgerState;
import dev.inflight.protocol.cluster.CheckpointRef;
import dev.inflight.protocol.cluster.HostStoreEvent.Held;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.function.BiPredicate;
import org.jspecify.annotations.Nullable;

/**
 * Published versions of all models, and which to keep. A new coordinator has them from the ledger, and those that it
 * lacks from what the host stores hold.
 */
final class VersionLedger {
    /** What is to be released where. */
    record Release(FleetHost host, String digest) {}

    private record Name(String model, String version) {}

    private final int keepVersions;
    private final SortedMap<String, ModelVersions> published = new TreeMap<>();
    private final Map<String, List<String>> committed = new HashMap<>();
    private final Set<Name> dropped = new HashSet<>();
    private final Set<String> condemned = new LinkedHashSet<>();

    /** @param keepVersions how many committed versions of a model stay in the host stores */
    VersionLedger(int keepVersions) {
        this.keepVersions = keepVersions;
    }

    @Nullable
    CheckpointRef find(String model, String version) {
        return versions(model).get(version);
    }

    /** Versions of a model, oldest first. */
    Map<String, CheckpointRef> versions(String model) {
        ModelVersions versions = published.get(model);
        return versions == null ? Map.of() : versions.inOrder();
    }

    /** Versions of all models. */
    List<CheckpointRef> published() {
        return published.keySet().stream()
                .flatMap(model -> versions(model).values().stream())
                .toList();
    }

    SortedMap<String, Map<String, CheckpointRef>> all() {
        SortedMap<String, Map<String, CheckpointRef>> all = new TreeMap<>();
        published.keySet().forEach(model -> all.put(model, versions(model)));
        return all;
    }

    void published(CheckpointRef checkpoint) {
        dropped.remove(new Name(checkpoint.model(), checkpoint.version()));
        of(checkpoint.model()).published(checkpoint);
    }

    /** A publish failed: what hosts loaded for it, and may still load, is not a version. */
    void publishFailed(String model, String version, Collection<String> loaded) {
        if (find(model, version) == null) {
            dropped.add(new Name(model, version));
        }
        condemned.addAll(loaded);
    }

    /** Takes over what a former coordinator knew. */
    void restore(LedgerState state) {
        state.published().forEach(checkpoint -> of(checkpoint.model()).published(checkpoint));
        state.dropped().forEach(drop -> dropped.add(new Name(drop.model(), drop.version())));
        for (OperationEnded ended : state.ended()) {
            String to = ended.operation().to();
            // A canary's updates have entries of their own.
            if (ended.meant() != null && to != null && !ended.operation().kind().equals(CanaryDesk.KIND)) {
                remember(ended.operation().model(), to, ended.before());
            }
        }
    }

    /**
     * Learns versions from what hosts hold.
     *
     * @param publishing whether a publish of this model and version runs, which will say itself how it ended
     * @return those that were not known
     */
    List<CheckpointRef> observe(Fleet fleet, BiPredicate<String, String> publishing) {
        List<CheckpointRef> learned = new ArrayList<>();
        for (FleetHost host : fleet.hosts().values()) {
            for (Held held : host.held()) {
                CheckpointRef checkpoint = held.checkpoint();
                Name name = new Name(checkpoint.model(), checkpoint.version());
                if (!dropped.contains(name)
                        && !publishing.test(name.model(), name.version())
                        && find(name.model(), name.version()) == null) {
                    of(checkpoint.model()).learned(checkpoint);
                    learned.add(checkpoint);
                }
            }
        }
        return learned;
    }

    /**
     * Engines took a version: older ones go, except the last {@code keepVersions} that engines took and those that
     * engines still have. Versions published later than it stay.
     *
     * @param from versions the engines had before
     * @param needed further versions that stay
     * @return those that went
     */
    List<CheckpointRef> committed(
            String model, String version, Collection<String> from, Collection<String> needed, Fleet fleet) {
        List<CheckpointRef> gone = new ArrayList<>();
        Set<String> keep = new HashSet<>(remember(model, version, from));
        keep.addAll(needed);
        keep.addAll(fleet.versionsSeen(model));
        if (find(model, version) == null) {
            // An update that was taken over may have been to a version that is gone: nothing is older than that.
            return gone;
        }
        for (CheckpointRef checkpoint : versions(model).values()) {
            if (checkpoint.version().equals(version)) {
                break;
            }
            if (!keep.contains(checkpoint.version())) {
                of(model).drop(checkpoint.version());
                dropped.add(new Name(model, checkpoint.version()));
                condemned.add(checkpoint.digest());
                gone.add(checkpoint);
            }
        }
        return gone;
    }

    /** The versions that engines of a model took last, as many as are kept. */
    private List<String> remember(String model, String version, Collection<String> from) {
        List<String> history = committed.computeIfAbsent(model, name -> new ArrayList<>());
        from.stream().filter(before -> !before.equals(version)).forEach(before -> toEnd(history, before));
        toEnd(history, version);
        while (history.size() > keepVersions) {
            history.removeFirst();
        }
        return history;
    }

    /** Versions that engines took and that none has any more, except what the last update of a model brought. */
    List<CheckpointRef> former(Fleet fleet) {
        List<CheckpointRef> former = new ArrayList<>();
        committed.forEach((model, history) -> {
            Set<String> had = new HashSet<>(history.subList(0, history.size() - 1));
            had.removeAll(fleet.versionsSeen(model));
            versions(model).values().stream()
                    .filter(checkpoint -> had.contains(checkpoint.version()))
                    .forEach(former::add);
        });
        return former;
    }

    /**
     * What can be released now, as the versions are at this moment. Bytes that a version shares are kept for good, those
     * in use until they no longer are.
     *
     * @param inUse digests that a running operation needs
     */
    List<Release> releases(Fleet fleet, Set<String> inUse) {
        Set<String> published = digests();
        condemned.removeAll(published);
        List<Release> releases = new ArrayList<>();
        for (String digest : condemned) {
            if (!inUse.contains(digest)) {
                // A host may have more of it than it lists, such as the manifest.
                fleet.hosts().values().forEach(host -> releases.add(new Release(host, digest)));
            }
        }
        condemned.retainAll(inUse);
        for (FleetHost host : fleet.hosts().values()) {
            for (Held held : host.held()) {
                Release release = new Release(host, held.checkpoint().digest());
                if (!published.contains(release.digest())
                        && !inUse.contains(release.digest())
                        && !releases.contains(release)) {
                    releases.add(release);
                }
            }
        }
        return releases;
    }

    private Set<String> digests() {
        Set<String> digests = new HashSet<>();
        all().values().forEach(versions -> versions.values().forEach(ref -> digests.add(ref.digest())));
        return digests;
    }

    private ModelVersions of(String model) {
        return published.computeIfAbsent(model, name -> new ModelVersions());
    }

    private static void toEnd(List<String> history, String version) {
        history.remove(version);
        history.add(version);
    }
}
