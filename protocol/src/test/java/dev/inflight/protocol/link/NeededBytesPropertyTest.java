package dev.inflight.protocol.link;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.inflight.protocol.checkpoint.CheckpointLayout;
import dev.inflight.protocol.checkpoint.Dtype;
import dev.inflight.protocol.checkpoint.SourceFile;
import dev.inflight.protocol.checkpoint.TensorSpec;
import dev.inflight.protocol.plan.BucketPlanner;
import dev.inflight.protocol.plan.Owner;
import dev.inflight.protocol.plan.Part;
import dev.inflight.protocol.plan.Placement;
import dev.inflight.protocol.plan.PlanException;
import dev.inflight.protocol.plan.ShardParts;
import dev.inflight.protocol.plan.Sharding;
import dev.inflight.protocol.plan.Slice;
import dev.inflight.protocol.plan.UpdatePlan;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.TreeSet;
import java.util.stream.IntStream;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;

/** Random checkpoints of matrices, and engines that want some of them and hold slices of some. */
class NeededBytesPropertyTest {
    private static final long MIB = 1 << 20;

    /** A checkpoint and an engine; every number comes from the seed. */
    private static final class Case {
        final SplittableRandom random;
        final CheckpointLayout layout;
        final Sharding sharding;
        final EngineShare share;
        final boolean wholeTensors;
        final NeededBytes needed;

        Case(long seed) throws SliceException {
            random = new SplittableRandom(seed);
            int ranks = 1 + random.nextInt(4);
            layout = layout(random, ranks);
            sharding = Sharding.of(layout, 1 + random.nextInt(4), (1 + random.nextInt(6)) * MIB);
            var parallel = new TensorParallel(
                    random.nextInt(ranks), ranks, List.of(new SliceRule("*.rows", 0), new SliceRule("*.columns", 1)));
            var wants = IntStream.range(0, random.nextInt(4))
                    .mapToObj(i -> new WantRule("t." + random.nextInt(8) + ".*", random.nextBoolean()))
                    .toList();
            share = new EngineShare(wants, parallel);
            wholeTensors = random.nextInt(8) == 0;
            needed = NeededBytes.of(layout, share, wholeTensors);
        }

        private static CheckpointLayout layout(SplittableRandom random, int ranks) {
            var tensors = new ArrayList<TensorSpec>();
            long end = 0;
            for (int i = 0; i < 1 + random.nextInt(20); i++) {
                var kind = List.of("rows", "columns", "whole").get(random.nextInt(3));
                long rows = random.nextInt(10) == 0 ? 0 : ranks * (1L + random.nextInt(1500));
                long columns = ranks * (1L + random.nextInt(random.nextBoolean() ? 700 : 7));
                var name = "t." + random.nextInt(8) + "." + i + "." + kind;
                var spec = new TensorSpec(name, Dtype.U8, List.of(rows, columns), 0, end, end + rows * columns);
                tensors.add(spec);
                end = spec.end();
            }
            return new CheckpointLayout(List.of(new SourceFile("m.safetensors", end)), tensors);
        }

        UpdatePlan plan() {
            var owners = IntStream.range(0, sharding.count())
                    .mapToObj(shard -> new Owner("w", List.of(shard)))
                    .toList();
            return BucketPlanner.plan(layout, sharding, owners, (1 + random.nextInt(4)) * MIB);
        }

        TensorSlice slice(int tensor) throws SliceException {
            var spec = layout.tensors().get(tensor);
            return share.slice(spec.name(), spec.dtype(), spec.shape());
        }

        /** Whether a block has a byte that the engine holds, or is of a tensor of which all is to come. */
        boolean isNeeded(int tensor, long block) throws SliceException {
            var spec = layout.tensors().get(tensor);
            if (!share.wants(spec.name())) {
                return false;
            }
            boolean rows = spec.name().endsWith(".rows");
            var slice = slice(tensor);
            return wholeTensors
                    || !rows
                    || slice.local(block * MIB) < slice.local(Math.min((block + 1) * MIB, spec.bytes()));
        }

        TreeSet<List<Long>> neededBlocks() throws SliceException {
            var blocks = blocks();
            for (int tensor = 0; tensor < layout.tensors().size(); tensor++) {
                long bytes = layout.tensors().get(tensor).bytes();
                for (long block = 0; block * MIB < bytes; block++) {
                    if (isNeeded(tensor, block)) {
                        blocks.add(List.of((long) tensor, block));
                    }
                }
            }
            return blocks;
        }

        List<Part> parts() {
            return sharding.shards().stream()
                    .flatMap(shard -> ShardParts.of(shard).parts().stream())
                    .toList();
        }
    }

    private static TreeSet<List<Long>> blocks() {
        return new TreeSet<>((a, b) -> a.get(0).equals(b.get(0))
                ? a.get(1).compareTo(b.get(1))
                : a.get(0).compareTo(b.get(0)));
    }

    private static void add(TreeSet<List<Long>> blocks, Slice slice) {
        assertThat(slice.begin() % MIB).isZero();
        for (long at = slice.begin(); at < slice.end(); at += MIB) {
            assertThat(blocks.add(List.of((long) slice.tensor(), at / MIB)))
                    .as("%s twice", slice)
                    .isTrue();
        }
    }

    @Property(tries = 300)
    void whatIsTakenOfPartsIsTheNeededBlocksAndNothingElse(@ForAll long seed) throws SliceException {
        var one = new Case(seed);
        var taken = blocks();
        for (var part : one.parts()) {
            one.needed.of(part).forEach(run -> run.placements().forEach(placed -> add(taken, placed.slice())));
        }
        assertThat(taken).isEqualTo(one.neededBlocks());
    }

    @Property(tries = 300)
    void eachRunLiesWhereItsPartHasItAndIsNamedByItsBytesAlone(@ForAll long seed) throws SliceException {
        var one = new Case(seed);
        for (var shard : one.sharding.shards()) {
            var parts = ShardParts.of(shard);
            for (var part : parts.parts()) {
                long last = -1;
                for (var run : one.needed.of(part)) {
                    assertThat(parts.run(run.offset(), run.bytes())).isEqualTo(run);
                    assertThat(run.offset()).isGreaterThan(last).isGreaterThanOrEqualTo(part.offset());
                    last = run.offset() + run.bytes();
                    assertThat(last).isLessThanOrEqualTo(part.offset() + part.bytes());
                    for (var placed : run.placements()) {
                        var whole = part.placements().stream()
                                .filter(placement -> contains(placement, placed.slice()))
                                .findFirst()
                                .orElseThrow();
                        assertThat(run.offset() + placed.offset())
                                .isEqualTo(part.offset()
                                        + whole.offset()
                                        + placed.slice().begin()
                                        - whole.slice().begin());
                    }
                }
            }
        }
    }

    private static boolean contains(Placement whole, Slice slice) {
        return whole.slice().tensor() == slice.tensor()
                && whole.slice().begin() <= slice.begin()
                && slice.end() <= whole.slice().end();
    }

    @Property(tries = 300)
    void bucketsBringEveryByteThatTheEngineHoldsWhereTheyWouldHaveAnyway(@ForAll long seed) throws SliceException {
        var one = new Case(seed);
        var plan = one.plan();
        var thinned = one.needed.of(plan);
        var taken = blocks();
        var tensors = new TreeSet<Integer>();
        long held = 0;
        for (int i = 0; i < thinned.buckets().size(); i++) {
            var bucket = thinned.buckets().get(i);
            assertThat(bucket.index()).isEqualTo(i);
            assertThat(bucket.placements()).isNotEmpty();
            for (var placed : bucket.placements()) {
                add(taken, placed.slice());
                tensors.add(placed.slice().tensor());
                var slice = one.slice(placed.slice().tensor());
                held += slice.local(placed.slice().end())
                        - slice.local(placed.slice().begin());
                assertThat(plan.buckets())
                        .anyMatch(original -> original.placements().stream()
                                .anyMatch(whole -> contains(whole, placed.slice())
                                        && whole.offset() - whole.slice().begin()
                                                == placed.offset()
                                                        - placed.slice().begin()));
            }
        }
        assertThat(taken).isEqualTo(one.neededBlocks());
        assertThat(held).isEqualTo(one.needed.heldBytes());
        assertThat(tensors).hasSize((int) one.needed.tensors());
        for (int tensor = 0; tensor < one.layout.tensors().size(); tensor++) {
            assertThat(tensors.contains(tensor)).isEqualTo(one.needed.wants(tensor));
        }
    }

    @Property(tries = 100)
    void ofEverythingAllIsNeeded(@ForAll long seed) throws SliceException {
        var one = new Case(seed);
        var all = NeededBytes.all(one.layout);
        var plan = one.plan();
        assertThat(all.of(plan)).isEqualTo(plan);
        for (var part : one.parts()) {
            assertThat(all.of(part)).containsExactly(part);
        }
        assertThat(all.heldBytes()).isEqualTo(one.layout.bytes());
    }

    @Property(tries = 300)
    void bytesThatAreNoRunOfBlocksOfOnePartAreRefused(@ForAll long seed) throws SliceException {
        var one = new Case(seed);
        for (var shard : one.sharding.shards()) {
            var parts = ShardParts.of(shard);
            var begins = new TreeSet<Long>();
            var ends = new TreeSet<Long>();
            for (var part : parts.parts()) {
                for (var placed : part.placements()) {
                    for (long at = 0; at < placed.slice().bytes(); at += MIB) {
                        long begin = part.offset() + placed.offset() + at;
                        begins.add(begin);
                        ends.add(begin + Math.min(MIB, placed.slice().bytes() - at));
                    }
                }
            }
            for (int i = 0; i < 20; i++) {
                long size = parts.offsets().bytes() + 300;
                long begin = one.random.nextInt(3) > 0 && !begins.isEmpty()
                        ? pick(begins, one.random)
                        : one.random.nextLong(-2, size);
                long end = one.random.nextInt(3) > 0 && !ends.isEmpty()
                        ? pick(ends, one.random)
                        : one.random.nextLong(-2, size);
                boolean sound = begins.contains(begin)
                        && ends.contains(end)
                        && parts.parts().stream()
                                .anyMatch(part ->
                                        part.offset() <= begin && begin < end && end <= part.offset() + part.bytes());
                if (sound) {
                    assertThat(parts.run(begin, end - begin).bytes()).isEqualTo(end - begin);
                } else {
                    assertThatThrownBy(() -> parts.run(begin, end - begin)).isInstanceOf(PlanException.class);
                }
            }
        }
    }

    private static long pick(TreeSet<Long> from, SplittableRandom random) {
        return List.copyOf(from).get(random.nextInt(from.size()));
    }
}
