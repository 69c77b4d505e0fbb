package dev.inflight.coordinator.publish;

import dev.inflight.protocol.cluster.HostStoreCommand.Holder;
import dev.inflight.protocol.cluster.HostStoreEvent.LoadProgress;
import dev.inflight.protocol.cluster.HostStoreEvent.Loaded;
import java.util.Collection;
import java.util.HashMap;
import java.util.Map;
import java.util.NavigableSet;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/** What the loading hosts answered so far. Decisions only. */
final class LoadAnswers {
    private final NavigableSet<String> expected = new TreeSet<>();
    private final SortedMap<String, Loaded> loaded = new TreeMap<>();
    private final Map<String, Long> bytes = new HashMap<>();

    LoadAnswers(Loading loading) {
        expect(loading);
    }

    /** More hosts are to answer. */
    void expect(Loading loading) {
        loading.holders().stream().map(Holder::host).forEach(expected::add);
    }

    boolean expects(String host) {
        return expected.contains(host);
    }

    /** Whether it shows that something moved. */
    boolean on(LoadProgress progress) {
        boolean moved = expects(progress.host()) && progress.loadedBytes() > bytes.getOrDefault(progress.host(), 0L);
        if (moved) {
            bytes.put(progress.host(), progress.loadedBytes());
        }
        return moved;
    }

    void on(Loaded done) {
        loaded.put(done.host(), done);
        bytes.merge(done.host(), done.bytes(), Math::max);
    }

    NavigableSet<String> waitingFor() {
        NavigableSet<String> rest = new TreeSet<>(expected);
        rest.removeAll(loaded.keySet());
        return rest;
    }

    Collection<Loaded> loaded() {
        return loaded.values();
    }

    NavigableSet<String> hosts() {
        return expected;
    }

    long doneBytes() {
        return bytes.values().stream().mapToLong(Long::longValue).sum();
    }

    /** Time to make fresh memory present on the host that took longest, in microseconds. */
    long longestTouchMicros() {
        return loaded.values().stream().mapToLong(Loaded::touchMicros).max().orElse(0);
    }

    /** Time to register memory with GPUs on the host that took longest, in microseconds. */
    long longestRegisterMicros() {
        return loaded.values().stream().mapToLong(Loaded::registerMicros).max().orElse(0);
    }

    /** The digest of the first host; all have the same unless there is a {@link #disagreement}. */
    String digest() {
        return loaded.firstEntry().getValue().digest();
    }

    /** How two hosts' digests differ; null if none do. */
    @Nullable
    String disagreement() {
        Loaded first = loaded.firstEntry().getValue();
        return loaded.values().stream()
                .filter(other -> !other.digest().equals(first.digest()))
                .findFirst()
                .map(other -> "hosts loaded different bytes: digest " + first.digest() + " on " + first.host() + ", "
                        + other.digest() + " on " + other.host())
                .orElse(null);
    }
}
