package dev.inflight.protocol.plan;

import static org.assertj.core.api.Assertions.assertThat;

import dev.inflight.protocol.checkpoint.CheckpointLayout;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;

/** What must hold of any division of a checkpoint into slices. */
final class Coverage {
    private Coverage() {}

    static void assertEveryByteOnce(CheckpointLayout layout, List<Slice> slices) {
        Map<Integer, List<Slice>> byTensor = slices.stream().collect(Collectors.groupingBy(Slice::tensor));
        assertThat(byTensor).hasSize(layout.tensors().size());
        byTensor.forEach((tensor, parts) -> {
            String name = layout.tensors().get(tensor).name();
            long next = 0;
            for (Slice part : parts.stream()
                    .sorted(Comparator.comparingLong(Slice::begin))
                    .toList()) {
                assertThat(part.begin()).as("begin of a part of %s", name).isEqualTo(next);
                next = part.end();
            }
            assertThat(next)
                    .as("bytes covered of %s", name)
                    .isEqualTo(layout.tensors().get(tensor).bytes());
        });
    }

    /** A slice is a whole tensor, or it begins at a multiple of 1 MiB and its tensor is larger than {@code limit}. */
    static void assertSplitOnlyAbove(CheckpointLayout layout, List<Slice> slices, long limit) {
        for (Slice slice : slices) {
            long tensor = layout.tensors().get(slice.tensor()).bytes();
            assertThat(slice.begin() % PlanArbitraries.MIB).isZero();
            if (slice.bytes() != tensor) {
                assertThat(tensor).isGreaterThan(limit);
            }
        }
    }
}
