package dev.inflight.coordinator.update;

import dev.inflight.coordinator.session.SessionEvent;
import dev.inflight.protocol.cluster.CheckpointRef;
import dev.inflight.protocol.cluster.OperationReply.Operation;
import dev.inflight.protocol.log.UpdateFields;
import org.slf4j.Logger;

/** What the log says of an update: how it began, its steps and how it ended, each line with its id and epoch. */
final class UpdateLog {
    private final Logger log;
    private final UpdateStart start;

    UpdateLog(Logger log, UpdateStart start) {
        this.log = log;
        this.start = start;
    }

    void began() {
        CheckpointRef target = start.request().checkpoint();
        try (UpdateFields fields = UpdateFields.of(start.id(), 0)) {
            log.info("{} of model {} to version {} began", start.kind(), target.model(), target.version());
        }
    }

    void step(long epoch, String phase) {
        try (UpdateFields fields = UpdateFields.of(start.id(), epoch)) {
            log.info("{}: {}", start.kind(), phase);
        }
    }

    void ended(long epoch, SessionEvent event) {
        try (UpdateFields fields = UpdateFields.of(start.id(), epoch)) {
            switch (event) {
                case SessionEvent.UpdateEnded ended -> {
                    Operation operation = ended.operation();
                    String model = ended.model();
                    if (operation.error() == null) {
                        log.info("{} of model {}: {}", start.kind(), model, operation.phase());
                    } else {
                        log.warn("{} of model {}: {}: {}", start.kind(), model, operation.phase(), operation.error());
                    }
                }
                case SessionEvent.NotTaken notTaken ->
                    log.info("{} refused: {}", start.kind(), notTaken.refused().message());
                default -> log.info("{} ended", start.kind());
            }
        }
    }
}
