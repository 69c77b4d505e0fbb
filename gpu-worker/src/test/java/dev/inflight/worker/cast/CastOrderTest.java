package dev.inflight.worker.cast;

import static org.assertj.core.api.Assertions.assertThat;

import dev.inflight.protocol.plan.Part;
import dev.inflight.protocol.plan.Shard;
import dev.inflight.protocol.plan.ShardParts;
import dev.inflight.protocol.plan.Slice;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class CastOrderTest {
    private static final long MIB = 1 << 20;

    private final ShardParts first = ShardParts.of(new Shard(0, List.of(new Slice(0, 0, 5 * MIB))));
    private final ShardParts empty = ShardParts.of(new Shard(1, List.of()));
    private final ShardParts third = ShardParts.of(new Shard(2, List.of(new Slice(1, 0, 3 * MIB + 7))));
    private final CastOrder order = CastOrder.of(List.of(first, empty, third));

    @Test
    void theFirstPartsOfAllShardsComeBeforeTheSecondOnes() {
        assertThat(IntStream.range(0, order.count()).mapToObj(order::part))
                .extracting(part -> part.shard() + "/" + part.index())
                .containsExactly("0/0", "2/0", "0/1", "2/1", "0/2");
    }

    @Test
    void everyPartHasItsNumber() {
        for (int number = 0; number < order.count(); number++) {
            assertThat(order.number(order.part(number))).isEqualTo(number);
        }
    }

    @Test
    void runsWithinAPartAndStrangePartsHaveNone() {
        Part run = first.run(0, MIB);
        assertThat(run.bytes()).isLessThan(first.parts().getFirst().bytes());
        assertThat(order.number(run)).isNegative();
        assertThat(order.number(new Part(1, 0, 0, 1, List.of()))).isNegative();
        assertThat(order.number(new Part(0, 3, 0, 1, List.of()))).isNegative();
    }
}
