package dev.inflight.protocol.link;

import dev.inflight.protocol.cluster.EngineStatus;
import dev.inflight.protocol.cluster.LoadMode;
import dev.inflight.protocol.cluster.Standby;
import dev.inflight.protocol.link.EngineMessage.Aborted;
import dev.inflight.protocol.link.EngineMessage.Begun;
import dev.inflight.protocol.link.EngineMessage.Committed;
import dev.inflight.protocol.link.EngineMessage.Dumped;
import dev.inflight.protocol.link.EngineMessage.Ended;
import dev.inflight.protocol.link.EngineMessage.Failed;
import dev.inflight.protocol.link.EngineMessage.Hello;
import dev.inflight.protocol.link.EngineMessage.Loaded;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** The verbs an engine uses. */
final class EngineMessageCodec {
    private EngineMessageCodec() {}

    static ByteBuffer encode(EngineMessage message) throws LinkException {
        return switch (message) {
            case Hello hello -> JsonFrame.write("hello", json -> write(json, hello));
            case Begun begun -> JsonFrame.write("begun", json -> json.number("epoch", begun.epoch()));
            case Loaded loaded ->
                JsonFrame.write("loaded", json -> {
                    json.number("epoch", loaded.epoch());
                    json.number("bucket", loaded.bucket());
                });
            case Ended ended ->
                JsonFrame.write("ended", json -> {
                    json.number("epoch", ended.epoch());
                    json.number("tensors", ended.tensors());
                });
            case Committed committed ->
                JsonFrame.write("committed", json -> {
                    json.number("epoch", committed.epoch());
                    json.text("version", committed.version());
                    json.number("stallMicros", committed.stallMicros());
                    write(json, committed.standby());
                });
            case Aborted aborted ->
                JsonFrame.write("aborted", json -> {
                    json.number("epoch", aborted.epoch());
                    json.text("state", aborted.state().name());
                    json.text("version", aborted.version());
                    write(json, aborted.standby());
                });
            case Dumped dumped -> JsonFrame.write("dumped", json -> json.number("id", dumped.id()));
            case Failed failed -> JsonFrame.write("failed", json -> write(json, failed));
            case LinkError error -> LinkCodec.encode(error);
        };
    }

    static EngineMessage decode(String verb, JsonFields fields) throws LinkException {
        return switch (verb) {
            case "hello" -> hello(fields);
            case "begun" -> new Begun(fields.natural("epoch"));
            case "loaded" -> new Loaded(fields.natural("epoch"), fields.smallNatural("bucket"));
            case "ended" -> new Ended(fields.natural("epoch"), fields.natural("tensors"));
            case "committed" ->
                new Committed(
                        fields.natural("epoch"),
                        fields.text("version"),
                        fields.natural("stallMicros"),
                        standby(fields));
            case "aborted" ->
                new Aborted(fields.natural("epoch"), state(fields), fields.textOrNull("version"), standby(fields));
            case "dumped" -> new Dumped(fields.natural("id"));
            case "failed" ->
                new Failed(
                        fields.naturalOrNull("epoch"),
                        fields.smallNaturalOrNull("bucket"),
                        fields.naturalOrNull("id"),
                        fields.text("message"));
            case "error" -> new LinkError(fields.text("message"));
            default -> throw new LinkException("unknown verb \"%s\"".formatted(verb));
        };
    }

    private static void write(JsonFieldWriter json, Hello hello) throws IOException {
        json.number("protocol", hello.protocol());
        json.text("engine", hello.engine());
        json.number("pid", hello.pid());
        json.text("model", hello.model());
        json.object("device", hello.device(), (field, device) -> {
            field.text("kind", device.kind().label());
            if (device.uuid() != null) {
                field.text("uuid", device.uuid());
            }
        });
        json.number("tpRank", hello.tpRank());
        json.number("tpSize", hello.tpSize());
        json.objects("slices", hello.slices(), (field, rule) -> {
            field.text("pattern", rule.pattern());
            field.number("dim", rule.dim());
        });
        json.objects("wants", hello.wants(), (field, rule) -> {
            field.text("pattern", rule.pattern());
            field.flag("take", rule.take());
        });
        json.texts("modes", hello.modes().stream().map(LoadMode::label).toList());
        json.flag("wholeTensors", hello.wholeTensors());
        json.text("version", hello.version());
        json.text("digest", hello.digest());
        write(json, hello.standby());
    }

    private static void write(JsonFieldWriter json, @Nullable Standby standby) throws IOException {
        if (standby != null) {
            json.object("standby", standby, (field, known) -> {
                field.text("version", known.version());
                field.text("digest", known.digest());
            });
        }
    }

    private static @Nullable Standby standby(JsonFields fields) throws LinkException {
        return fields.objectOrNull("standby", known -> new Standby(known.text("version"), known.text("digest")));
    }

    private static void write(JsonFieldWriter json, Failed failed) throws IOException {
        if (failed.epoch() != null) {
            json.number("epoch", failed.epoch());
        } else {
            json.absent("epoch");
        }
        if (failed.bucket() != null) {
            json.number("bucket", failed.bucket());
        }
        if (failed.id() != null) {
            json.number("id", failed.id());
        }
        json.text("message", failed.message());
    }

    private static Hello hello(JsonFields fields) throws LinkException {
        return new Hello(
                fields.smallNatural("protocol"),
                fields.text("engine"),
                fields.natural("pid"),
                fields.text("model"),
                fields.object("device", EngineMessageCodec::device),
                fields.smallNatural("tpRank"),
                fields.smallNatural("tpSize"),
                fields.objectsOrNone("slices", rule -> new SliceRule(rule.text("pattern"), rule.smallNatural("dim"))),
                wants(fields),
                modes(fields),
                fields.flag("wholeTensors"),
                fields.textOrNull("version"),
                fields.textOrNull("digest"),
                standby(fields));
    }

    private static List<WantRule> wants(JsonFields fields) throws LinkException {
        List<WantRule> wants = fields.objectsOrNone("wants", rule -> {
            try {
                return new WantRule(rule.text("pattern"), rule.flag("take"));
            } catch (IllegalArgumentException e) {
                throw rule.error("field \"pattern\": " + e.getMessage());
            }
        });
        if (wants.size() > WantRule.MOST) {
            throw fields.error("field \"wants\" has %d rules; %d are the most".formatted(wants.size(), WantRule.MOST));
        }
        return wants;
    }

    private static EngineDevice device(JsonFields fields) throws LinkException {
        String kind = fields.text("kind");
        for (EngineDevice.Kind known : EngineDevice.Kind.values()) {
            if (known.label().equals(kind)) {
                return new EngineDevice(known, fields.textOrNull("uuid"));
            }
        }
        throw fields.error("unknown device kind \"%s\"".formatted(kind));
    }

    private static List<LoadMode> modes(JsonFields fields) throws LinkException {
        List<LoadMode> modes = new ArrayList<>();
        for (String label : fields.texts("modes")) {
            modes.add(mode(fields, label));
        }
        return modes;
    }

    static LoadMode mode(JsonFields fields, String label) throws LinkException {
        for (LoadMode mode : LoadMode.values()) {
            if (mode.label().equals(label)) {
                return mode;
            }
        }
        throw fields.error("unknown load mode \"%s\"".formatted(label));
    }

    private static EngineStatus.State state(JsonFields fields) throws LinkException {
        String state = fields.text("state");
        return switch (state) {
            case "SERVING" -> EngineStatus.State.SERVING;
            case "PENDING_WEIGHTS" -> EngineStatus.State.PENDING_WEIGHTS;
            default -> throw fields.error("unknown state \"%s\"".formatted(state));
        };
    }
}
