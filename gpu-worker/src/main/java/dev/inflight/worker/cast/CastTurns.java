package dev.inflight.worker.cast;

import java.util.BitSet;
import java.util.HashMap;
import java.util.Map;

/**
 * Which part is cast next: round and round through the parts' numbers, whatever at least one receiver lacks. So who comes
 * late takes part at once, and gets in the next round what it missed of this one. Guarded by its owner.
 */
final class CastTurns {
    private final Map<Object, BitSet> lacking = new HashMap<>();
    private int next;

    /** @param parts numbers of what it lacks, which is cast to it once from now on */
    void add(Object receiver, BitSet parts) {
        lacking.put(receiver, (BitSet) parts.clone());
    }

    void remove(Object receiver) {
        lacking.remove(receiver);
    }

    /**
     * Takes the next part: all receivers of now get it.
     *
     * @return negative if nobody lacks anything
     */
    int take() {
        int turn = least(next);
        turn = turn < 0 ? least(0) : turn;
        if (turn >= 0) {
            for (var parts : lacking.values()) {
                parts.clear(turn);
            }
            next = turn + 1;
        }
        return turn;
    }

    private int least(int from) {
        return lacking.values().stream()
                .mapToInt(parts -> parts.nextSetBit(from))
                .filter(part -> part >= 0)
                .min()
                .orElse(-1);
    }
}
