package dev.inflight.worker.transport;

import dev.inflight.protocol.cluster.BandwidthLimit;
import dev.inflight.protocol.link.EngineShare;
import dev.inflight.protocol.link.SliceRule;
import dev.inflight.protocol.link.TensorParallel;
import dev.inflight.protocol.link.WantRule;
import dev.inflight.worker.aeron.CastOffer;
import dev.inflight.worker.nccl.NcclId;
import dev.inflight.worker.nccl.RankArrival;
import java.nio.BufferOverflowException;
import java.nio.BufferUnderflowException;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;

/** Payloads of control frames. Strings are a 2-byte length and UTF-8. */
final class Payload {
    private static final int MAX_STRING_BYTES = 0xFFFF;
    private static final int MIN_SLICE_RULE_BYTES = Integer.BYTES + Short.BYTES;
    private static final int MIN_WANT_RULE_BYTES = Byte.BYTES + Short.BYTES;
    private static final int MIN_LIMIT_BYTES = Long.BYTES + Short.BYTES;
    private static final int MIN_SLOT_BYTES = Integer.BYTES + Short.BYTES + 2 * Long.BYTES;

    private Payload() {}

    record BlockSumsQuery(String publishId, int shard) {}

    static ByteBuffer blockSumsQuery(String publishId, int shard) {
        return build(Op.BLOCK_SUMS, out -> putString(out.putInt(shard), publishId));
    }

    static BlockSumsQuery blockSumsQuery(ByteBuffer in) throws MalformedPayloadException {
        return parse(in, () -> {
            int shard = in.getInt();
            return new BlockSumsQuery(string(in), shard);
        });
    }

    static ByteBuffer manifestQuery(String digest) {
        return build(Op.MANIFEST, out -> putString(out, digest));
    }

    static String manifestQuery(ByteBuffer in) throws MalformedPayloadException {
        return parse(in, () -> string(in));
    }

    record SliceDigestsQuery(String checkpoint, EngineShare share, int shard) {}

    static ByteBuffer sliceDigestsQuery(SliceDigestsQuery query) {
        return build(Op.SLICE_DIGESTS, out -> {
            putString(out.putInt(query.shard()), query.checkpoint());
            var parallel = query.share().parallel();
            out.putInt(parallel.rank())
                    .putInt(parallel.size())
                    .putInt(parallel.rules().size());
            for (SliceRule rule : parallel.rules()) {
                putString(out.putInt(rule.dim()), rule.pattern());
            }
            out.putInt(query.share().wants().size());
            for (WantRule rule : query.share().wants()) {
                putString(out.put((byte) (rule.take() ? 1 : 0)), rule.pattern());
            }
        });
    }

    static SliceDigestsQuery sliceDigestsQuery(ByteBuffer in) throws MalformedPayloadException {
        return parse(in, () -> {
            int shard = in.getInt();
            String checkpoint = string(in);
            var parallel = parallel(in);
            return new SliceDigestsQuery(checkpoint, new EngineShare(wants(in), parallel), shard);
        });
    }

    private static TensorParallel parallel(ByteBuffer in) throws MalformedPayloadException {
        int rank = in.getInt();
        int size = in.getInt();
        int count = count(in, MIN_SLICE_RULE_BYTES);
        List<SliceRule> rules = new ArrayList<>(count);
        for (int i = 0; i < count; i++) {
            int dim = in.getInt();
            rules.add(new SliceRule(string(in), dim));
        }
        return new TensorParallel(rank, size, rules);
    }

    private static List<WantRule> wants(ByteBuffer in) throws MalformedPayloadException {
        int count = count(in, MIN_WANT_RULE_BYTES);
        List<WantRule> wants = new ArrayList<>(count);
        for (int i = 0; i < count; i++) {
            boolean take = in.get() != 0;
            wants.add(new WantRule(string(in), take));
        }
        return wants;
    }

    private static int count(ByteBuffer in, int minBytes) throws MalformedPayloadException {
        int count = in.getInt();
        if (count < 0 || count > in.remaining() / minBytes) {
            throw new MalformedPayloadException("it announces " + count + " rules");
        }
        return count;
    }

    record PartQuery(PartKey part, String machine) {}

    static ByteBuffer partQuery(PartQuery query) {
        return build(Op.PART, out -> {
            out.putInt(query.part().shard())
                    .putLong(query.part().begin())
                    .putLong(query.part().bytes());
            putString(out, query.part().checkpoint());
            putString(out, query.machine());
        });
    }

    static PartQuery partQuery(ByteBuffer in) throws MalformedPayloadException {
        return parse(in, () -> {
            int shard = in.getInt();
            long begin = in.getLong();
            long bytes = in.getLong();
            return new PartQuery(new PartKey(string(in), shard, begin, bytes), string(in));
        });
    }

    record PartAt(FileRange file, long bytes) {}

    static ByteBuffer partAt(PartAt at) {
        return build(Op.PART_AT, out -> {
            out.putLong(at.file().offset()).putLong(at.bytes());
            putString(out, at.file().path());
        });
    }

    static PartAt partAt(ByteBuffer in) throws MalformedPayloadException {
        return parse(in, () -> {
            long offset = nonNegative(in.getLong());
            long bytes = nonNegative(in.getLong());
            return new PartAt(new FileRange(string(in), offset), bytes);
        });
    }

    static ByteBuffer key(TransferKey key) {
        return build(Op.OPEN, out -> {
            out.putLong(key.epoch());
            putString(out, key.owner());
            putString(out, key.consumer());
        });
    }

    static TransferKey key(ByteBuffer in) throws MalformedPayloadException {
        return parse(in, () -> new TransferKey(in.getLong(), string(in), string(in)));
    }

    static ByteBuffer offer(TransferOffer offer) {
        return build(Op.OFFER, out -> {
            putString(out, offer.machine());
            out.putInt(offer.slots().size());
            for (SlotInfo slot : offer.slots()) {
                putString(out.putInt(slot.index()), slot.path());
                out.putLong(slot.offset()).putLong(slot.bytes());
            }
        });
    }

    static TransferOffer offer(ByteBuffer in) throws MalformedPayloadException {
        return parse(in, () -> {
            String machine = string(in);
            int count = in.getInt();
            if (count < 0 || count > TransferOffer.MAX_SLOTS || count > in.remaining() / MIN_SLOT_BYTES) {
                throw new MalformedPayloadException("it announces " + count + " slots");
            }
            List<SlotInfo> slots = new ArrayList<>(count);
            for (int i = 0; i < count; i++) {
                slots.add(new SlotInfo(in.getInt(), string(in), in.getLong(), in.getLong()));
            }
            return new TransferOffer(machine, slots);
        });
    }

    static ByteBuffer arrival(RankArrival arrival) {
        return build(Op.MEET, out -> {
            out.putLong(arrival.epoch()).putInt(arrival.ranks()).putInt(arrival.rank());
            NcclId held = arrival.held();
            out.put((byte) (held == null ? 0 : 1));
            if (held != null) {
                out.put(held.bytes());
            }
        });
    }

    static RankArrival arrival(ByteBuffer in) throws MalformedPayloadException {
        return parse(in, () -> {
            long epoch = in.getLong();
            int ranks = in.getInt();
            int rank = in.getInt();
            byte holds = in.get();
            if (holds != 0 && holds != 1) {
                throw new MalformedPayloadException("it says neither that an id follows nor that none does");
            }
            return new RankArrival(epoch, ranks, rank, holds == 0 ? null : id(in));
        });
    }

    static ByteBuffer group(NcclId id) {
        return ByteBuffer.wrap(id.bytes());
    }

    static NcclId group(ByteBuffer in) throws MalformedPayloadException {
        return parse(in, () -> id(in));
    }

    private static NcclId id(ByteBuffer in) {
        byte[] id = new byte[NcclId.BYTES];
        in.get(id);
        return NcclId.of(id);
    }

    /** @param address empty to go on without UCX */
    record UcxQuery(long firstTag, ByteBuffer address) {}

    static ByteBuffer ucxQuery(UcxQuery query) {
        return build(
                Op.UCX, out -> out.putLong(query.firstTag()).put(query.address().duplicate()));
    }

    static UcxQuery ucxQuery(ByteBuffer in) throws MalformedPayloadException {
        return parse(in, () -> {
            long firstTag = in.getLong();
            ByteBuffer address = in.slice();
            in.position(in.limit());
            return new UcxQuery(firstTag, address);
        });
    }

    static ByteBuffer castAt(CastOffer offer) {
        return build(Op.CAST_AT, out -> {
            out.putInt(offer.stream()).putInt(offer.session());
            putString(out, offer.channel());
        });
    }

    static CastOffer castAt(ByteBuffer in) throws MalformedPayloadException {
        return parse(in, () -> {
            int stream = in.getInt();
            int session = in.getInt();
            return new CastOffer(string(in), stream, session);
        });
    }

    record CastPartsQuery(String checkpoint, String machine) {}

    static ByteBuffer castPartsQuery(CastPartsQuery query) {
        return build(Op.CAST_PARTS, out -> {
            putString(out, query.checkpoint());
            putString(out, query.machine());
        });
    }

    static CastPartsQuery castPartsQuery(ByteBuffer in) throws MalformedPayloadException {
        return parse(in, () -> new CastPartsQuery(string(in), string(in)));
    }

    /** @throws IllegalArgumentException if a frame does not hold them */
    static ByteBuffer partsWanted(BitSet parts) {
        byte[] bits = parts.toByteArray();
        return build(Op.PARTS_WANTED, out -> out.put(bits));
    }

    static BitSet partsWanted(ByteBuffer in) throws MalformedPayloadException {
        return parse(in, () -> {
            var parts = BitSet.valueOf(in);
            in.position(in.limit());
            return parts;
        });
    }

    static ByteBuffer limits(List<BandwidthLimit> limits) {
        return build(Op.LIMITS, out -> {
            out.putInt(limits.size());
            for (BandwidthLimit limit : limits) {
                putString(out.putLong(limit.bytesPerSecond()), limit.scope());
            }
        });
    }

    static List<BandwidthLimit> limits(ByteBuffer in) throws MalformedPayloadException {
        return parse(in, () -> {
            int count = count(in, MIN_LIMIT_BYTES);
            List<BandwidthLimit> limits = new ArrayList<>(count);
            for (int i = 0; i < count; i++) {
                long bytesPerSecond = in.getLong();
                limits.add(new BandwidthLimit(string(in), bytesPerSecond));
            }
            return limits;
        });
    }

    static ByteBuffer sent(int bytes) {
        return ByteBuffer.allocate(Integer.BYTES).putInt(bytes).flip();
    }

    static int sent(ByteBuffer in) throws MalformedPayloadException {
        return parse(in, in::getInt);
    }

    static ByteBuffer length(long bytes) {
        return ByteBuffer.allocate(Long.BYTES).putLong(bytes).flip();
    }

    static long length(ByteBuffer in) throws MalformedPayloadException {
        return parse(in, () -> nonNegative(in.getLong()));
    }

    record Ready(SlotRange at, long bytes) {}

    static ByteBuffer ready(SlotRange at, long bytes) {
        return ByteBuffer.allocate(Integer.BYTES + 2 * Long.BYTES)
                .putInt(at.slot())
                .putLong(at.offset())
                .putLong(bytes)
                .flip();
    }

    static Ready ready(ByteBuffer in) throws MalformedPayloadException {
        return parse(in, () -> {
            var at = new SlotRange(in.getInt(), nonNegative(in.getLong()));
            return new Ready(at, nonNegative(in.getLong()));
        });
    }

    /** A failure's message, cut to what a frame holds. */
    static ByteBuffer message(String message) {
        byte[] bytes = message.getBytes(StandardCharsets.UTF_8);
        return ByteBuffer.wrap(bytes, 0, Math.min(bytes.length, Op.FAILED.maxLength()));
    }

    /** Lenient on purpose: a cut message is still worth reading. */
    static String message(ByteBuffer in) {
        return StandardCharsets.UTF_8.decode(in).toString();
    }

    private static long nonNegative(long bytes) throws MalformedPayloadException {
        if (bytes < 0) {
            throw new MalformedPayloadException("it announces " + bytes + " bytes");
        }
        return bytes;
    }

    private static void putString(ByteBuffer out, String text) {
        byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
        if (bytes.length > MAX_STRING_BYTES) {
            throw new BufferOverflowException();
        }
        out.putShort((short) bytes.length).put(bytes);
    }

    private static String string(ByteBuffer in) throws MalformedPayloadException {
        int length = Short.toUnsignedInt(in.getShort());
        if (length > in.remaining()) {
            throw new BufferUnderflowException();
        }
        ByteBuffer bytes = in.slice(in.position(), length);
        in.position(in.position() + length);
        try {
            return StandardCharsets.UTF_8.newDecoder().decode(bytes).toString();
        } catch (CharacterCodingException e) {
            throw new MalformedPayloadException("a string is not UTF-8");
        }
    }

    private interface Writer {
        void write(ByteBuffer out);
    }

    private static ByteBuffer build(Op op, Writer writer) {
        ByteBuffer out = ByteBuffer.allocate(op.maxLength());
        try {
            writer.write(out);
        } catch (BufferOverflowException e) {
            throw new IllegalArgumentException(
                    "a " + op + " frame holds at most " + op.maxLength() + " bytes; shorten its names", e);
        }
        return out.flip();
    }

    private interface Reader<T> {
        T read() throws MalformedPayloadException;
    }

    private static <T> T parse(ByteBuffer in, Reader<T> reader) throws MalformedPayloadException {
        T value;
        try {
            value = reader.read();
        } catch (BufferUnderflowException e) {
            throw new MalformedPayloadException("it ends too early");
        } catch (IllegalArgumentException e) {
            throw new MalformedPayloadException(String.valueOf(e.getMessage()));
        }
        if (in.hasRemaining()) {
            throw new MalformedPayloadException("it has " + in.remaining() + " bytes too many");
        }
        return value;
    }
}
