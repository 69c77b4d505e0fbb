package dev.inflight.protocol.link;

import dev.inflight.protocol.link.WorkerMessage.Abort;
import dev.inflight.protocol.link.WorkerMessage.Begin;
import dev.inflight.protocol.link.WorkerMessage.Commit;
import dev.inflight.protocol.link.WorkerMessage.Dump;
import dev.inflight.protocol.link.WorkerMessage.End;
import dev.inflight.protocol.link.WorkerMessage.Load;
import dev.inflight.protocol.link.WorkerMessage.Welcome;
import java.io.IOException;
import java.nio.ByteBuffer;

/** The verbs a worker uses. */
final class WorkerMessageCodec {
    private static final String SHM = "shm";
    private static final String CUDA = "cuda";
    private static final String STANDBY = "standby";

    private WorkerMessageCodec() {}

    static ByteBuffer encode(WorkerMessage message) throws LinkException {
        return switch (message) {
            case Welcome welcome ->
                JsonFrame.write("welcome", json -> {
                    json.number("protocol", welcome.protocol());
                    json.text("worker", welcome.worker());
                });
            case Begin begin -> JsonFrame.write("begin", json -> write(json, begin));
            case Load load ->
                JsonFrame.write("load", json -> {
                    json.number("epoch", load.epoch());
                    json.number("bucket", load.bucket());
                    json.number("slot", load.slot());
                    json.objects("tensors", load.tensors(), WorkerMessageCodec::write);
                });
            case End end -> JsonFrame.write("end", json -> json.number("epoch", end.epoch()));
            case Commit commit ->
                JsonFrame.write("commit", json -> {
                    json.number("epoch", commit.epoch());
                    json.text("version", commit.version());
                });
            case Abort abort ->
                JsonFrame.write("abort", json -> {
                    json.number("epoch", abort.epoch());
                    json.text("reason", abort.reason());
                });
            case Dump dump ->
                JsonFrame.write("dump", json -> {
                    json.number("id", dump.id());
                    json.object("slot", dump.slot(), WorkerMessageCodec::write);
                    json.objects("tensors", dump.tensors(), WorkerMessageCodec::write);
                    if (dump.epoch() != null) {
                        json.number("epoch", dump.epoch());
                    }
                });
            case LinkError error -> LinkCodec.encode(error);
        };
    }

    static WorkerMessage decode(String verb, JsonFields fields) throws LinkException {
        return switch (verb) {
            case "welcome" -> new Welcome(fields.smallNatural("protocol"), fields.text("worker"));
            case "begin" -> begin(fields);
            case "load" ->
                new Load(
                        fields.natural("epoch"),
                        fields.smallNatural("bucket"),
                        fields.smallNatural("slot"),
                        fields.objects("tensors", WorkerMessageCodec::tensorPart));
            case "end" -> new End(fields.natural("epoch"));
            case "commit" -> new Commit(fields.natural("epoch"), fields.text("version"));
            case "abort" -> new Abort(fields.natural("epoch"), fields.text("reason"));
            case "dump" ->
                new Dump(
                        fields.natural("id"),
                        fields.object("slot", WorkerMessageCodec::memory),
                        fields.objects("tensors", WorkerMessageCodec::dumpPart),
                        fields.naturalOrNull("epoch"));
            case "error" -> new LinkError(fields.text("message"));
            default -> throw new LinkException("unknown verb \"%s\"".formatted(verb));
        };
    }

    private static void write(JsonFieldWriter json, Begin begin) throws IOException {
        json.number("epoch", begin.epoch());
        json.text("model", begin.model());
        json.text("version", begin.version());
        json.text("digest", begin.digest());
        json.text("mode", begin.mode().label());
        json.number("tensors", begin.tensors());
        json.number("bytes", begin.bytes());
        json.objects("slots", begin.slots(), (field, slot) -> {
            field.number("id", slot.id());
            write(field, slot.memory());
        });
        if (begin.fromStandby()) {
            json.text("from", STANDBY);
        }
    }

    private static void write(JsonFieldWriter json, SlotMemory memory) throws IOException {
        switch (memory) {
            case SlotMemory.Shm shm -> {
                json.text("kind", SHM);
                json.text("path", shm.path());
            }
            case SlotMemory.Cuda cuda -> {
                json.text("kind", CUDA);
                json.text("handle", cuda.handle());
                json.text("device", cuda.device());
            }
        }
        json.number("offset", memory.offset());
        json.number("bytes", memory.bytes());
    }

    private static void write(JsonFieldWriter json, TensorPart part) throws IOException {
        json.text("name", part.name());
        json.text("dtype", part.dtype());
        json.numbers("shape", part.shape());
        json.number("offset", part.offset());
        json.number("bytes", part.bytes());
        json.number("begin", part.begin());
    }

    private static void write(JsonFieldWriter json, DumpPart part) throws IOException {
        json.text("name", part.name());
        json.number("offset", part.offset());
        json.number("bytes", part.bytes());
        json.number("begin", part.begin());
    }

    private static Begin begin(JsonFields fields) throws LinkException {
        return new Begin(
                fields.natural("epoch"),
                fields.text("model"),
                fields.text("version"),
                fields.text("digest"),
                EngineMessageCodec.mode(fields, fields.text("mode")),
                fields.natural("tensors"),
                fields.natural("bytes"),
                fields.objects("slots", slot -> new SlotRef(slot.smallNatural("id"), memory(slot))),
                fromStandby(fields));
    }

    private static boolean fromStandby(JsonFields fields) throws LinkException {
        String from = fields.textOrNull("from");
        if (from != null && !from.equals(STANDBY)) {
            throw fields.error(
                    "unknown source \"%s\"; field \"from\" must be \"%s\" or absent".formatted(from, STANDBY));
        }
        return from != null;
    }

    private static SlotMemory memory(JsonFields fields) throws LinkException {
        String kind = fields.text("kind");
        return switch (kind) {
            case SHM -> new SlotMemory.Shm(fields.text("path"), fields.natural("offset"), fields.natural("bytes"));
            case CUDA ->
                new SlotMemory.Cuda(
                        handle(fields), fields.text("device"), fields.natural("offset"), fields.natural("bytes"));
            default -> throw fields.error("unknown slot kind \"%s\"".formatted(kind));
        };
    }

    private static String handle(JsonFields fields) throws LinkException {
        String handle = fields.text("handle");
        if (!SlotMemory.Cuda.isHandle(handle)) {
            throw fields.error("field \"handle\" must be %d hex digits".formatted(SlotMemory.Cuda.HANDLE_DIGITS));
        }
        return handle;
    }

    private static TensorPart tensorPart(JsonFields fields) throws LinkException {
        return new TensorPart(
                fields.text("name"),
                fields.text("dtype"),
                fields.naturals("shape"),
                fields.natural("offset"),
                fields.natural("bytes"),
                fields.natural("begin"));
    }

    private static DumpPart dumpPart(JsonFields fields) throws LinkException {
        return new DumpPart(
                fields.text("name"), fields.natural("offset"), fields.natural("bytes"), fields.natural("begin"));
    }
}
