package dev.inflight.engine;

import dev.inflight.protocol.link.AnswerFunction;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** Memory for what the engine holds of one checkpoint, outside the heap; allocated and touched once, then written over. */
final class ParameterSet implements AutoCloseable {
    static final long ALIGNMENT = 64;

    private final Arena arena = Arena.ofShared();
    private final @Nullable WarmMemory warm;
    private final Map<String, Parameter> parameters = new HashMap<>();
    private @Nullable List<Parameter> ordered;

    /** @param warm where tensors are put as long as there is room; nobody else's until this is closed */
    ParameterSet(@Nullable WarmMemory warm) {
        this.warm = warm;
    }

    /**
     * Room for these tensors. Every byte is zeroed, and so its memory is really there.
     *
     * @throws OutOfMemoryError if it does not fit; nothing is kept then
     */
    static ParameterSet of(Map<String, LoadProgress.Shape> layout) {
        ParameterSet set = new ParameterSet(null);
        try {
            layout.forEach(set::ensure);
        } catch (OutOfMemoryError e) {
            set.close();
            throw e;
        }
        return set;
    }

    /** The tensor of that name, allocated if it is new. */
    Parameter ensure(String name, LoadProgress.Shape shape) {
        Parameter known = parameters.get(name);
        if (known != null) {
            return known;
        }
        Parameter added = new Parameter(name, shape, allocate(shape.slice().bytes()));
        parameters.put(name, added);
        ordered = null;
        return added;
    }

    private MemorySegment allocate(long bytes) {
        MemorySegment ready = warm == null ? null : warm.take(bytes);
        return ready == null ? arena.allocate(bytes, ALIGNMENT) : ready;
    }

    @Nullable
    Parameter find(String name) {
        return parameters.get(name);
    }

    /** The tensors' shapes by name. */
    Map<String, LoadProgress.Shape> layout() {
        Map<String, LoadProgress.Shape> layout = new HashMap<>();
        parameters.forEach((name, parameter) -> layout.put(name, parameter.shape()));
        return layout;
    }

    /** The tensors in the order in which answers probe them; sorted once, unless tensors are added. */
    List<Parameter> inNameOrder() {
        if (ordered == null) {
            ordered = parameters.values().stream()
                    .sorted(Comparator.comparing(Parameter::name, AnswerFunction.NAME_ORDER))
                    .toList();
        }
        return ordered;
    }

    @Override
    public void close() {
        arena.close();
        if (warm != null) {
            warm.reset();
        }
    }
}
