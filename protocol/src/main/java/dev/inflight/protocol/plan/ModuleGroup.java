package dev.inflight.protocol.plan;

import dev.inflight.protocol.checkpoint.TensorSpec;
import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Slices that are better kept together, in layout order: a module, one expert of it, one weight with its scales. A group
 * can be split along the next component of its tensors' names until only a weight and its scales are left.
 */
final class ModuleGroup {
    /** Every slice of a bucket begins at a multiple of this many bytes. */
    static final int ALIGNMENT = 256;

    private final List<Slice> slices;
    /** Characters that the names of all tensors share, up to and with a dot. */
    private final int prefix;

    private final long bytes;
    private final long alignedBytes;

    private ModuleGroup(List<Slice> slices, int prefix) {
        long sum = 0;
        long aligned = 0;
        for (int i = 0; i < slices.size(); i++) {
            long size = slices.get(i).bytes();
            sum += size;
            aligned += align(size);
        }
        this.slices = slices;
        this.prefix = prefix;
        this.bytes = sum;
        this.alignedBytes = aligned;
    }

    /** Groups slices by module, modules in order of their first slice. */
    static List<ModuleGroup> modules(List<TensorSpec> tensors, Iterable<Slice> slices) {
        // Keys of modules end with a dot; a name outside of any module is its own key and has none.
        Map<String, Members> byModule = new LinkedHashMap<>();
        Members last = null;
        String lastModule = "";
        for (Slice slice : slices) {
            String name = tensors.get(slice.tensor()).name();
            int length = TensorNames.moduleLength(name);
            // Neighbours mostly share their module: spares the map and the substring.
            if (last == null || length == 0 || length + 1 != lastModule.length() || !name.startsWith(lastModule)) {
                lastModule = length == 0 ? TensorNames.stem(name) : name.substring(0, length + 1);
                int prefix = length == 0 ? 0 : length + 1;
                last = byModule.computeIfAbsent(lastModule, ignored -> new Members(prefix));
            }
            last.slices.add(slice);
        }
        return groups(byModule.values());
    }

    static long align(long bytes) {
        return (bytes + ALIGNMENT - 1) & -ALIGNMENT;
    }

    List<Slice> slices() {
        return slices;
    }

    long bytes() {
        return bytes;
    }

    /** Room in a slot when every slice begins at a multiple of {@link #ALIGNMENT}. */
    long alignedBytes() {
        return alignedBytes;
    }

    int firstTensor() {
        return slices.getFirst().tensor();
    }

    /**
     * Splits along the next component in which the names differ: experts, then projections, then weights with their
     * scales. Returns just this group when the names differ in nothing but a companion's ending.
     */
    List<ModuleGroup> split(List<TensorSpec> tensors) {
        if (slices.size() == 1) {
            return List.of(this);
        }
        int begin = prefix;
        while (true) {
            Map<String, Members> parts = new LinkedHashMap<>();
            for (Slice slice : slices) {
                String part = component(tensors.get(slice.tensor()).name(), begin);
                int deeper = begin + (part.endsWith(".") ? part.length() : 0);
                parts.computeIfAbsent(part, ignored -> new Members(deeper))
                        .slices
                        .add(slice);
            }
            if (parts.size() > 1) {
                return groups(parts.values());
            }
            int deeper = parts.values().iterator().next().prefix;
            if (deeper == begin) {
                return List.of(this);
            }
            begin = deeper;
        }
    }

    /** The component at {@code begin} with its dot, or the stem if it is the parameter's own name. */
    private static String component(String name, int begin) {
        int end = TensorNames.endOfComponent(name, begin);
        return end < name.length() ? name.substring(begin, end + 1) : TensorNames.stem(name.substring(begin));
    }

    private static List<ModuleGroup> groups(Collection<Members> members) {
        List<ModuleGroup> groups = new ArrayList<>(members.size());
        for (Members each : members) {
            groups.add(new ModuleGroup(each.slices, each.prefix));
        }
        return groups;
    }

    private static final class Members {
        private final List<Slice> slices = new ArrayList<>();
        private final int prefix;

        private Members(int prefix) {
            this.prefix = prefix;
        }
    }
}
