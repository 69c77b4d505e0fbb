package dev.inflight.engine;

import dev.inflight.protocol.checkpoint.Dtype;
import dev.inflight.protocol.link.EngineShare;
import dev.inflight.protocol.link.SliceException;
import dev.inflight.protocol.link.TensorPart;
import dev.inflight.protocol.link.TensorSlice;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.NavigableMap;
import java.util.Set;
import java.util.TreeMap;

/**
 * Which bytes of which tensors have arrived in one update, and whether all that the engine holds of them is there. Pure
 * bookkeeping.
 */
final class LoadProgress {
    /**
     * A tensor as its parts describe it.
     *
     * @param slice what of it this engine holds
     */
    record Shape(Dtype dtype, List<Long> extents, long bytes, TensorSlice slice) {}

    private static final class Tensor {
        private final Shape shape;
        /** Ends of the ranges that arrived, by their begins; they do not overlap. */
        private final NavigableMap<Long, Long> ranges = new TreeMap<>();

        /** Bytes of the slice among them. */
        private long arrived;

        Tensor(Shape shape) {
            this.shape = shape;
        }

        /** Bytes of the slice that a part brings. */
        long heldOf(TensorPart part) {
            return shape.slice().local(part.begin() + part.bytes())
                    - shape.slice().local(part.begin());
        }
    }

    private final long expectedTensors;
    private final long expectedBytes;
    private final Map<String, Shape> layout;
    private final EngineShare share;
    private final Map<String, Tensor> tensors = new HashMap<>();
    private long arrivedBytes;
    private long declaredBytes;

    /**
     * @param expectedTensors how many tensors the engine wants
     * @param expectedBytes what it holds of them in the end
     * @param layout the tensors that the engine has; empty if it takes any
     * @param share which tensors the engine wants, and what it holds of each
     */
    LoadProgress(long expectedTensors, long expectedBytes, Map<String, Shape> layout, EngineShare share) {
        this.share = share;
        this.expectedTensors = expectedTensors;
        this.expectedBytes = expectedBytes;
        this.layout = layout;
    }

    /** Notes that parts arrive; all of them, or none if one is refused. */
    void add(List<TensorPart> parts) throws Refusal {
        List<TensorPart> added = new ArrayList<>(parts.size());
        Set<String> declared = new HashSet<>();
        try {
            for (TensorPart part : parts) {
                if (!tensors.containsKey(part.name())) {
                    declared.add(part.name());
                }
                add(part);
                added.add(part);
            }
        } catch (Refusal refusal) {
            added.forEach(this::uncover);
            declared.forEach(this::undeclare);
            throw refusal;
        }
    }

    int tensors() {
        return tensors.size();
    }

    /** Refuses with what is missing, if anything is. */
    void checkComplete() throws Refusal {
        for (Map.Entry<String, Tensor> entry : tensors.entrySet()) {
            Tensor tensor = entry.getValue();
            long held = tensor.shape.slice().bytes();
            if (tensor.arrived != held) {
                throw new Refusal(
                        "tensor \"%s\": %d of the %d bytes held here arrived", entry.getKey(), tensor.arrived, held);
            }
        }
        for (String name : layout.keySet()) {
            if (!tensors.containsKey(name)) {
                throw new Refusal("tensor \"%s\" did not arrive", name);
            }
        }
        if (tensors.size() != expectedTensors || arrivedBytes != expectedBytes) {
            throw new Refusal(
                    "%d tensors with %d bytes arrived, begin announced %d with %d",
                    tensors.size(), arrivedBytes, expectedTensors, expectedBytes);
        }
    }

    /** The shape of a tensor of which a part has been added. */
    Shape shapeOf(String name) {
        Tensor tensor = tensors.get(name);
        if (tensor == null) {
            throw new IllegalArgumentException("no part of tensor \"" + name + "\" was added");
        }
        return tensor.shape;
    }

    /** The size that a part's dtype and shape say. */
    Shape shapeOf(TensorPart part) throws Refusal {
        Dtype dtype = Dtype.byName(part.dtype())
                .orElseThrow(() -> new Refusal("tensor \"%s\": unknown dtype \"%s\"", part.name(), part.dtype()));
        long bytes = bytes(part, dtype);
        try {
            return new Shape(dtype, part.shape(), bytes, share.slice(part.name(), dtype, part.shape()));
        } catch (SliceException e) {
            throw new Refusal("%s", String.valueOf(e.getMessage()));
        }
    }

    private static long bytes(TensorPart part, Dtype dtype) throws Refusal {
        if (part.shape().contains(0L)) {
            return 0;
        }
        long elements = 1;
        for (long extent : part.shape()) {
            if (extent < 0 || elements > Long.MAX_VALUE / dtype.bits() / extent) {
                throw new Refusal("tensor \"%s\": shape %s is too large", part.name(), part.shape());
            }
            elements *= extent;
        }
        long bits = elements * dtype.bits();
        if (bits % Byte.SIZE != 0) {
            throw new Refusal("tensor \"%s\": its %d bits are no whole number of bytes", part.name(), bits);
        }
        return bits / Byte.SIZE;
    }

    private void add(TensorPart part) throws Refusal {
        if (!share.wants(part.name())) {
            throw new Refusal("tensor \"%s\": this engine does not want it", part.name());
        }
        Shape shape = shapeOf(part);
        checkLayout(part.name(), shape);
        if (part.bytes() > shape.bytes() || part.begin() > shape.bytes() - part.bytes()) {
            throw new Refusal(
                    "tensor \"%s\": %d bytes from %d lie outside its %d bytes",
                    part.name(), part.bytes(), part.begin(), shape.bytes());
        }
        Tensor tensor = tensors.get(part.name());
        if (tensor == null) {
            tensor = declare(part.name(), shape);
        } else if (!tensor.shape.equals(shape)) {
            throw new Refusal(
                    "tensor \"%s\": its parts say %s %s and %s %s",
                    part.name(), tensor.shape.dtype(), tensor.shape.extents(), shape.dtype(), shape.extents());
        }
        cover(tensor, part);
    }

    private void checkLayout(String name, Shape shape) throws Refusal {
        if (layout.isEmpty()) {
            return;
        }
        Shape own = layout.get(name);
        if (own == null) {
            throw new Refusal("tensor \"%s\": this engine has no such parameter", name);
        }
        if (!own.equals(shape)) {
            throw new Refusal(
                    "tensor \"%s\" is %s %s in the checkpoint, %s %s in this engine",
                    name, shape.dtype(), shape.extents(), own.dtype(), own.extents());
        }
    }

    // A stream can not make the engine hold more than begin announced.
    private Tensor declare(String name, Shape shape) throws Refusal {
        if (tensors.size() >= expectedTensors || shape.slice().bytes() > expectedBytes - declaredBytes) {
            throw new Refusal(
                    "tensor \"%s\": more than the %d tensors with %d bytes that begin announced",
                    name, expectedTensors, expectedBytes);
        }
        Tensor tensor = new Tensor(shape);
        tensors.put(name, tensor);
        declaredBytes += shape.slice().bytes();
        return tensor;
    }

    private void cover(Tensor tensor, TensorPart part) throws Refusal {
        if (part.bytes() == 0) {
            return;
        }
        long end = part.begin() + part.bytes();
        Map.Entry<Long, Long> before = tensor.ranges.lowerEntry(end);
        if (before != null && before.getValue() > part.begin()) {
            throw new Refusal(
                    "tensor \"%s\": bytes %d to %d arrived twice",
                    part.name(), Math.max(before.getKey(), part.begin()), Math.min(before.getValue(), end));
        }
        tensor.ranges.put(part.begin(), end);
        count(tensor, tensor.heldOf(part));
    }

    private void uncover(TensorPart part) {
        Tensor tensor = tensors.get(part.name());
        if (tensor != null && part.bytes() > 0) {
            tensor.ranges.remove(part.begin());
            count(tensor, -tensor.heldOf(part));
        }
    }

    private void count(Tensor tensor, long bytes) {
        tensor.arrived += bytes;
        arrivedBytes += bytes;
    }

    private void undeclare(String name) {
        Tensor tensor = tensors.remove(name);
        if (tensor != null) {
            declaredBytes -= tensor.shape.slice().bytes();
        }
    }
}
