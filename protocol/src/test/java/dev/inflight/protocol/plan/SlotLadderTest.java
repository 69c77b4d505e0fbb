package dev.inflight.protocol.plan;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.junit.jupiter.api.Test;

class SlotLadderTest {
    private static final long MIB = 1 << 20;
    private static final long GIB = 1 << 30;

    @Test
    void threeSlotsWhenTheBudgetHoldsThem() {
        assertThat(choose(192 * MIB))
                .isEqualTo(new Slots(3, 64 * MIB, "3 slots of 64 MiB: all stages overlap; the budget is 192 MiB"));
    }

    @Test
    void threeSmallerSlotsBeforeFewerOnes() {
        assertThat(choose(191 * MIB))
                .isEqualTo(new Slots(
                        3,
                        63 * MIB,
                        "3 slots of 63 MiB: all stages overlap; the budget of 191 MiB does not hold 3 of 64 MiB"));
    }

    @Test
    void twoSlotsWhenThreeWouldBeTooSmall() {
        assertThat(choose(11 * MIB))
                .isEqualTo(new Slots(
                        2,
                        5 * MIB,
                        "2 slots of 5 MiB: 3 of at least 4 MiB would need 12 MiB and the budget is 11 MiB"));
    }

    @Test
    void oneSlotWhenTwoWouldBeTooSmall() {
        assertThat(choose(7 * MIB))
                .isEqualTo(new Slots(
                        1,
                        7 * MIB,
                        "1 slot of 7 MiB: 2 of at least 4 MiB would need 8 MiB and the budget is 7 MiB,"
                                + " so the stages run one after the other"));
    }

    @Test
    void refusedBelowTheSmallestSlot() {
        assertThatThrownBy(() -> choose(4 * MIB - 1))
                .isInstanceOf(PlanException.class)
                .hasMessage("the budget for slots is 4194303 bytes but the smallest slot is 4194304;"
                        + " give the worker more memory for slots or allow smaller slots");
    }

    @Test
    void wholeTensorsNeedASlotAsLargeAsTheLargest() {
        Slots slots = SlotLadder.choose(300 * MIB, 64 * MIB, 4 * MIB, 10 * GIB, 100 * MIB - 7, true, 2);

        assertThat(slots.bytes()).isEqualTo(100 * MIB);
        assertThat(slots.count()).isEqualTo(3);
    }

    @Test
    void wholeTensorsThatDoNotFitAreRefusedWithTheNumbers() {
        assertThatThrownBy(() -> SlotLadder.choose(99 * MIB, 64 * MIB, 4 * MIB, 10 * GIB, 100 * MIB - 7, true, 2))
                .isInstanceOf(PlanException.class)
                .hasMessage("the budget for slots is 103809024 bytes but the largest tensor has 104857593 and an engine"
                        + " takes tensors only whole; give the worker at least 104857600 bytes for slots");
    }

    @Test
    void aSmallCheckpointHasSmallSlotsSoThatStagesOverlap() {
        Slots slots = SlotLadder.choose(10 * GIB, 256 * MIB, 4 * MIB, 256 * MIB, 56 * MIB, false, 2);

        assertThat(slots.count()).isEqualTo(3);
        assertThat(slots.bytes()).isEqualTo(17 * MIB);
    }

    @Test
    void aTinyCheckpointNeedsNoMoreThanItsShard() {
        assertThat(SlotLadder.choose(10 * GIB, 256 * MIB, 4 * MIB, MIB, MIB, false, 4)
                        .bytes())
                .isEqualTo(MIB);
        assertThat(SlotLadder.choose(10 * GIB, 256 * MIB, 4 * MIB, 0, 0, false, 1)
                        .bytes())
                .isEqualTo(MIB);
    }

    @Test
    void contradictingLimitsAreRefused() {
        assertThatThrownBy(() -> SlotLadder.choose(GIB, 4 * MIB, 8 * MIB, GIB, MIB, false, 1))
                .isInstanceOf(PlanException.class)
                .hasMessageContaining("slots of 8388608 to 4194304 bytes");
        assertThatThrownBy(() -> SlotLadder.choose(GIB, 4 * MIB, MIB, GIB, MIB, false, 0))
                .isInstanceOf(PlanException.class)
                .hasMessageContaining("at least one worker");
    }

    @Test
    void moreThanThreeSlotsAsLongAsTheyAreLarge() {
        assertThat(SlotLadder.choose(768 * MIB, 256 * MIB, 4 * MIB, 6, 10 * GIB, 100 * MIB, false, 2))
                .isEqualTo(new Slots(
                        6,
                        128 * MIB,
                        "6 slots of 128 MiB: all stages overlap; the budget of 768 MiB does not hold 6 of 256 MiB"));
        assertThat(SlotLadder.choose(260 * MIB, 256 * MIB, 4 * MIB, 6, 10 * GIB, 100 * MIB, false, 2)
                        .count())
                .isEqualTo(4);
        assertThat(SlotLadder.choose(96 * MIB, 256 * MIB, 4 * MIB, 6, 10 * GIB, 100 * MIB, false, 2)
                        .count())
                .isEqualTo(3);
        assertThat(SlotLadder.choose(GIB, 256 * MIB, 4 * MIB, 6, 256 * MIB, 56 * MIB, false, 2))
                .isEqualTo(new Slots(6, 17 * MIB, "6 slots of 17 MiB: all stages overlap; the budget is 1024 MiB"));
    }

    @Test
    void fewerSlotsOfTheSameSizeWhereNoMoreAreAllowed() {
        assertThat(SlotLadder.choose(192 * MIB, 64 * MIB, 4 * MIB, 1, 10 * GIB, 100 * MIB, false, 2))
                .isEqualTo(new Slots(
                        1,
                        64 * MIB,
                        "1 slot of 64 MiB: no more than 1 allowed, so the stages run one after the other"));
        assertThat(SlotLadder.choose(192 * MIB, 64 * MIB, 4 * MIB, 2, 10 * GIB, 100 * MIB, false, 2))
                .isEqualTo(new Slots(2, 64 * MIB, "2 slots of 64 MiB: no more than 2 allowed"));
        assertThat(SlotLadder.choose(7 * MIB, 64 * MIB, 4 * MIB, 2, 10 * GIB, 100 * MIB, false, 2)
                        .count())
                .isEqualTo(1);
    }

    @Test
    void fewerThanOneOrMoreThanEightSlotsCanNotBeAskedFor() {
        assertThatThrownBy(() -> SlotLadder.choose(GIB, 64 * MIB, 4 * MIB, 0, GIB, MIB, false, 2))
                .isInstanceOf(PlanException.class)
                .hasMessage("at most 0 slots were asked for; it must be 1 to 8");
        assertThatThrownBy(() -> SlotLadder.choose(GIB, 64 * MIB, 4 * MIB, 9, GIB, MIB, false, 2))
                .isInstanceOf(PlanException.class);
    }

    private static Slots choose(long budgetBytes) {
        return SlotLadder.choose(budgetBytes, 64 * MIB, 4 * MIB, 10 * GIB, 100 * MIB, false, 2);
    }
}
