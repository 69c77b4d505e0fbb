package dev.inflight.protocol.link;

import dev.inflight.protocol.checkpoint.Dtype;
import java.util.ArrayList;
import java.util.List;

/**
 * One of the equal parts that a row-major tensor is cut into along a dimension, or all of it. Counted in bytes, the
 * tensor is a sequence of rows, each the product of the extents from that dimension on; the part is the same range of
 * every row, and holds these ranges one after the other. Immutable.
 *
 * @param shape extents of the part
 * @param row bytes of a row of the tensor; 0 for a tensor of zero bytes
 * @param begin first byte of the part in each row
 * @param length bytes of the part in each row
 * @param rows number of rows
 */
public record TensorSlice(List<Long> shape, long row, long begin, long length, long rows) {
    public TensorSlice {
        shape = List.copyOf(shape);
    }

    /**
     * Equally long pieces of the tensor, at equal distances, that are neighbours in the part.
     *
     * @param full first byte of the first piece in the tensor
     * @param stride from the beginning of one piece to that of the next in the tensor
     * @param local first byte of the first piece in the part
     * @param length bytes of each piece
     * @param count how many there are
     */
    public record Run(long full, long stride, long local, long length, long count) {
        /** Bytes of all pieces. */
        public long bytes() {
            return length * count;
        }
    }

    /** All of a tensor. */
    static TensorSlice whole(String name, Dtype dtype, List<Long> shape) throws SliceException {
        long bytes = bytes(name, dtype, shape);
        return new TensorSlice(shape, bytes, 0, bytes, 1);
    }

    /** Part {@code rank} of {@code size} along dimension {@code dim}. */
    static TensorSlice part(String name, Dtype dtype, List<Long> shape, int dim, int rank, int size)
            throws SliceException {
        long bytes = bytes(name, dtype, shape);
        if (dim < 0 || dim >= shape.size()) {
            throw refusal(name, shape, size, "it has no dimension " + dim);
        }
        long extent = shape.get(dim);
        if (extent % size != 0) {
            throw refusal(name, shape, size, "dimension %d has %d elements".formatted(dim, extent));
        }
        List<Long> local = new ArrayList<>(shape);
        local.set(dim, extent / size);
        if (bytes == 0) {
            return new TensorSlice(local, 0, 0, 0, 0);
        }
        long rows = 1;
        for (long outer : shape.subList(0, dim)) {
            rows *= outer;
        }
        // Packed dtypes: neither a row nor a part of one may end inside a byte.
        if (partBits(dtype, local, dim) % Byte.SIZE != 0) {
            throw refusal(name, shape, size, "a part of a row of %s is no whole number of bytes".formatted(dtype));
        }
        long row = bytes / rows;
        return new TensorSlice(local, row, row / size * rank, row / size, rows);
    }

    private static long partBits(Dtype dtype, List<Long> local, int dim) {
        long bits = dtype.bits();
        for (long extent : local.subList(dim, local.size())) {
            bits *= extent;
        }
        return bits;
    }

    /** Bytes of the part. */
    public long bytes() {
        return length * rows;
    }

    /** Bytes of the tensor. */
    public long fullBytes() {
        return row * rows;
    }

    /** Whether the part is the whole tensor. */
    public boolean isWhole() {
        return length == row;
    }

    /**
     * How many bytes of the part lie before a byte of the tensor. So bytes {@code a} to {@code b} of the tensor bring
     * bytes {@code local(a)} to {@code local(b)} of the part.
     */
    public long local(long full) {
        return row == 0 ? 0 : full / row * length + Math.clamp(full % row - begin, 0, length);
    }

    /** Where in the tensor a byte of the part is; the inverse of {@link #local}. */
    public long full(long local) {
        return local / length * row + begin + local % length;
    }

    /** What bytes {@code from} to {@code to} of the tensor hold of the part: at most three runs, in order, none empty. */
    public List<Run> runs(long from, long to) {
        List<Run> runs = new ArrayList<>(3);
        if (row == 0) {
            return runs;
        }
        if (isWhole() || from / row == to / row) {
            addPiece(runs, from, to);
            return runs;
        }
        long firstWhole = Math.ceilDiv(from, row);
        long lastWhole = to / row;
        addPiece(runs, from, firstWhole * row);
        if (lastWhole > firstWhole && length > 0) {
            runs.add(new Run(firstWhole * row + begin, row, firstWhole * length, length, lastWhole - firstWhole));
        }
        addPiece(runs, lastWhole * row, to);
        return runs;
    }

    /** For ranges within a row, or of a part that is the whole tensor. */
    private void addPiece(List<Run> runs, long from, long to) {
        long local = local(from);
        long bytes = local(to) - local;
        if (bytes > 0) {
            runs.add(new Run(full(local), bytes, local, bytes, 1));
        }
    }

    private static long bytes(String name, Dtype dtype, List<Long> shape) throws SliceException {
        if (shape.contains(0L)) {
            return 0;
        }
        try {
            long bits = dtype.bits();
            for (long extent : shape) {
                bits = Math.multiplyExact(bits, extent);
            }
            if (bits % Byte.SIZE == 0) {
                return bits / Byte.SIZE;
            }
        } catch (ArithmeticException e) {
            // reported below
        }
        throw new SliceException(
                "tensor \"%s\": %s of shape %s is no whole number of bytes".formatted(name, dtype, shape));
    }

    private static SliceException refusal(String name, List<Long> shape, int size, String why) {
        return new SliceException("tensor \"%s\" of shape %s can not be cut into %d equal parts (tpSize %d): %s"
                .formatted(name, shape, size, size, why));
    }
}
