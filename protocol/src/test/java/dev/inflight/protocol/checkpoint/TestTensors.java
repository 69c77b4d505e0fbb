package dev.inflight.protocol.checkpoint;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.channels.Channels;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.Combinators;

/** Tensors with seeded bytes, and files of them in memory. */
record TestTensors(List<TestTensor> tensors) {
    record TestTensor(String name, Dtype dtype, List<Long> shape, byte[] bytes) {}

    static Arbitrary<TestTensors> arbitrary(int largestExtent) {
        Arbitrary<String> names = Arbitraries.strings()
                .all()
                .excludeChars(surrogates())
                .ofMinLength(0)
                .ofMaxLength(12);
        Arbitrary<List<Long>> shapes =
                Arbitraries.longs().between(0, largestExtent).list().ofMaxSize(2);
        Arbitrary<TestTensor> tensor = Combinators.combine(
                        names, Arbitraries.of(Dtype.class), shapes, Arbitraries.randomValue(random -> random))
                .as((name, dtype, shape, random) -> {
                    // Eight elements of any dtype are whole bytes.
                    List<Long> extents = new ArrayList<>(shape);
                    if (dtype.bits() < 8) {
                        extents.add(8L);
                    }
                    byte[] bytes =
                            new byte[(int) TensorSize.bytes(dtype, extents).orElseThrow()];
                    random.nextBytes(bytes);
                    return new TestTensor(name, dtype, extents, bytes);
                });
        return tensor.list().ofMaxSize(12).map(TestTensors::distinct);
    }

    private static char[] surrogates() {
        char[] all = new char[Character.MAX_SURROGATE - Character.MIN_SURROGATE + 1];
        for (int i = 0; i < all.length; i++) {
            all[i] = (char) (Character.MIN_SURROGATE + i);
        }
        return all;
    }

    private static TestTensors distinct(List<TestTensor> tensors) {
        Set<String> names = new HashSet<>(Set.of("__metadata__"));
        return new TestTensors(
                tensors.stream().filter(tensor -> names.add(tensor.name())).toList());
    }

    byte[] file() {
        return file(Map.of("format", "pt"));
    }

    byte[] file(Map<String, String> metadata) {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        List<SafetensorsWriter.Tensor> sources = tensors.stream()
                .map(t -> SafetensorsWriter.Tensor.of(t.name(), t.dtype(), t.shape(), t.bytes()))
                .toList();
        try {
            SafetensorsWriter.write("memory", Channels.newChannel(out), metadata, sources);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return out.toByteArray();
    }

    static SafetensorsHeader parse(String name, byte[] file) {
        byte[] prefix = Arrays.copyOf(file, Math.min(8, file.length));
        int json = SafetensorsHeader.jsonBytes(name, file.length, prefix);
        return SafetensorsHeader.parse(name, file.length, Arrays.copyOfRange(file, 8, 8 + json));
    }
}
