package dev.inflight.worker.cast;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.BitSet;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.RepeatedTest;
import org.junit.jupiter.api.RepetitionInfo;
import org.junit.jupiter.api.Test;

class CastTurnsTest {
    private static final int PARTS = 50;

    private final CastTurns turns = new CastTurns();

    @Test
    void whatAllLackIsCastOnce() {
        turns.add("a", all());
        turns.add("b", all());
        turns.add("c", all());
        assertThat(rest()).isEqualTo(range(0, PARTS));
    }

    @Test
    void whoComesLateTakesPartAtOnceAndGetsTheBeginningInTheNextRound() {
        turns.add("a", all());
        IntStream.range(0, 20).forEach(any -> turns.take());
        turns.add("late", all());
        var expected = range(20, PARTS);
        expected.addAll(range(0, 20));
        assertThat(rest()).isEqualTo(expected);
    }

    @Test
    void whatOnlyOneLackedIsNotCastAfterItHasLeft() {
        var few = new BitSet();
        few.set(3, 5);
        turns.add("stays", few);
        turns.add("leaves", all());
        assertThat(turns.take()).isZero();
        turns.remove("leaves");
        assertThat(rest()).containsExactly(3, 4);
    }

    /** The repetition is the seed. */
    @RepeatedTest(50)
    void everyReceiverGetsWhatItLacksOnceWithinOneRound(RepetitionInfo repetition) {
        var random = new Random(repetition.getCurrentRepetition());
        Map<String, BitSet> waiting = new HashMap<>();
        Map<String, Integer> waited = new HashMap<>();
        for (int step = 0; step < 400; step++) {
            if (random.nextInt(10) == 0) {
                var parts = new BitSet();
                IntStream.range(0, PARTS).filter(any -> random.nextBoolean()).forEach(parts::set);
                turns.add("r" + step, parts);
                waiting.put("r" + step, (BitSet) parts.clone());
                waited.put("r" + step, 0);
            }
            if (random.nextInt(15) == 0 && !waiting.isEmpty()) {
                var leaves = waiting.keySet().iterator().next();
                turns.remove(leaves);
                waiting.remove(leaves);
            }
            int turn = turns.take();
            waiting.values().removeIf(BitSet::isEmpty);
            assertThat(turn < 0).as("nobody lacks anything").isEqualTo(waiting.isEmpty());
            if (turn >= 0) {
                assertThat(waiting.values()).as("somebody lacks " + turn).anyMatch(parts -> parts.get(turn));
            }
            waiting.forEach((receiver, parts) -> {
                parts.clear(turn);
                assertThat(waited.merge(receiver, 1, Integer::sum)).isLessThanOrEqualTo(PARTS);
            });
        }
    }

    private static BitSet all() {
        var parts = new BitSet();
        parts.set(0, PARTS);
        return parts;
    }

    private static List<Integer> range(int from, int to) {
        return new ArrayList<>(IntStream.range(from, to).boxed().toList());
    }

    private List<Integer> rest() {
        List<Integer> rest = new ArrayList<>();
        for (int turn = turns.take(); turn >= 0; turn = turns.take()) {
            rest.add(turn);
        }
        return rest;
    }
}
