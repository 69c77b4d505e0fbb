package dev.inflight.protocol.log;

import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import org.slf4j.MDC;

/**
 * Until it is closed, lines that this thread logs have the update that it works for as fields {@value #UPDATE} and
 * {@value #EPOCH} (SLF4J's MDC), which both log formats show.
 */
public final class UpdateFields implements AutoCloseable {
    /** The operation's id. */
    public static final String UPDATE = "update";

    public static final String EPOCH = "epoch";

    private final @Nullable String updateBefore = MDC.get(UPDATE);
    private final @Nullable String epochBefore = MDC.get(EPOCH);

    private UpdateFields() {}

    /** @param epoch 0 if it has none yet */
    public static UpdateFields of(String update, long epoch) {
        UpdateFields fields = new UpdateFields();
        put(UPDATE, update);
        put(EPOCH, epoch == 0 ? null : String.valueOf(epoch));
        return fields;
    }

    /** The same fields on another thread, for as long as it runs a task. */
    public static <T> Callable<T> carry(Callable<T> task) {
        String update = MDC.get(UPDATE);
        String epoch = MDC.get(EPOCH);
        if (update == null) {
            return task;
        }
        return () -> {
            try (UpdateFields fields = of(update, epoch == null ? 0 : Long.parseLong(epoch))) {
                return task.call();
            }
        };
    }

    /** What was before is again. */
    @Override
    public void close() {
        put(UPDATE, updateBefore);
        put(EPOCH, epochBefore);
    }

    private static void put(String field, @Nullable String value) {
        if (value == null) {
            MDC.remove(field);
        } else {
            MDC.put(field, value);
        }
    }
}
