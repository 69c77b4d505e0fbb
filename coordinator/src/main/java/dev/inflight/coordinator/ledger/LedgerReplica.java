package dev.inflight.coordinator.ledger;

import akka.actor.typed.Behavior;
import akka.actor.typed.PostStop;
import akka.actor.typed.PreRestart;
import akka.actor.typed.javadsl.AbstractBehavior;
import akka.actor.typed.javadsl.ActorContext;
import akka.actor.typed.javadsl.Behaviors;
import akka.actor.typed.javadsl.Receive;
import akka.actor.typed.receptionist.Receptionist;
import dev.inflight.coordinator.ledger.LedgerCodec.DamagedException;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * A coordinator node's copy of the ledger. It obeys the coordinator with the highest term it has heard of and becomes
 * equal to that one's ledger. Writes to disk, so it runs on a dispatcher for blocking.
 */
public final class LedgerReplica extends AbstractBehavior<ReplicaCommand> {
    private final LedgerFile file;
    private final int keep;

    private LedgerReplica(ActorContext<ReplicaCommand> context, Path directory, int keep) {
        super(context);
        this.file = LedgerFile.open(directory);
        this.keep = keep;
        context.getSystem().receptionist().tell(Receptionist.register(ReplicaCommand.KEY, context.getSelf()));
        context.getLog()
                .info(
                        "Ledger replica in {}: {} entries",
                        directory,
                        file.records().size());
    }

    /**
     * @param directory its data directory
     * @param keep how many of the newest entries stay
     */
    public static Behavior<ReplicaCommand> create(Path directory, int keep) {
        return Behaviors.setup(context -> new LedgerReplica(context, directory, keep));
    }

    /**
     * Fails where a replica would, before one is started.
     *
     * @throws LedgerException if the files of the data directory can not be used
     */
    public static void check(Path directory) {
        try (LedgerFile file = LedgerFile.open(directory)) {
            file.last();
        } catch (IOException e) {
            throw new LedgerException(directory + ": the ledger can not be closed: " + e, e);
        }
    }

    @Override
    public Receive<ReplicaCommand> createReceive() {
        return newReceiveBuilder()
                .onMessage(ReplicaCommand.Promise.class, this::onPromise)
                .onMessage(ReplicaCommand.Read.class, this::onRead)
                .onMessage(ReplicaCommand.Append.class, this::onAppend)
                .onSignal(PostStop.class, signal -> close())
                .onSignal(PreRestart.class, signal -> close())
                .build();
    }

    /** A disk that takes nothing must not leave the cluster without a coordinator; the promise then holds in memory. */
    private Behavior<ReplicaCommand> onPromise(ReplicaCommand.Promise asked) {
        if (!file.promise().allows(asked.term(), asked.writer())) {
            asked.replyTo().tell(deposed());
            return this;
        }
        LedgerFile.Promise promise = new LedgerFile.Promise(asked.term(), asked.writer());
        try {
            if (!promise.equals(file.promise())) {
                file.promise(promise);
            }
        } catch (IOException e) {
            getContext().getLog().error("The ledger can not be written, so nothing new is kept: {}", e.toString());
        }
        asked.replyTo().tell(new ReplicaEvent.Promised(file.replica(), asked.term(), file.last()));
        return this;
    }

    private Behavior<ReplicaCommand> onRead(ReplicaCommand.Read read) {
        List<LedgerRecord> wanted = Pages.after(file.records(), read.after());
        List<String> lines = Pages.first(wanted);
        read.replyTo().tell(new ReplicaEvent.Page(file.replica(), lines, lines.size() < wanted.size()));
        return this;
    }

    private Behavior<ReplicaCommand> onAppend(ReplicaCommand.Append append) {
        append.replyTo().tell(append(append));
        return this;
    }

    private ReplicaEvent append(ReplicaCommand.Append append) {
        if (!file.promise().allows(append.term(), append.writer())) {
            return deposed();
        }
        try {
            LedgerFile.Promise promise = new LedgerFile.Promise(append.term(), append.writer());
            if (!promise.equals(file.promise())) {
                file.promise(promise);
            }
            List<LedgerRecord> records = new ArrayList<>();
            for (String line : append.lines()) {
                records.add(LedgerCodec.read(line));
            }
            if (append.previous().equals(Position.NONE)) {
                begin(records);
            } else if (append.previous().equals(file.last())) {
                file.append(records);
            } else {
                return new ReplicaEvent.Behind(file.replica(), file.last());
            }
            shorten();
            return new ReplicaEvent.Appended(file.replica(), file.last());
        } catch (IOException | DamagedException e) {
            getContext().getLog().error("The ledger could not be written", e);
            return new ReplicaEvent.AppendFailed(file.replica(), String.valueOf(e.getMessage()));
        }
    }

    /** What it had is not the coordinator's: written by one that had been deposed, or unknown to it when it began. */
    private void begin(List<LedgerRecord> records) throws IOException {
        if (file.records().equals(records)) {
            // Sent again, since the answer was lost.
            return;
        }
        Path aside = file.setAside();
        if (aside != null) {
            getContext()
                    .getLog()
                    .warn(
                            "This node's ledger, up to entry {} of term {}, is not the coordinator's, which replaces"
                                    + " it; it was set aside as {}",
                            file.last().sequence(),
                            file.last().term(),
                            aside);
        }
        file.replace(records);
    }

    private void shorten() throws IOException {
        if (Retention.isDue(file.records().size(), keep)) {
            file.replace(Retention.retain(file.records(), keep));
        }
    }

    private ReplicaEvent deposed() {
        return new ReplicaEvent.Deposed(file.replica(), file.promise().term());
    }

    private Behavior<ReplicaCommand> close() throws IOException {
        file.close();
        return this;
    }
}
