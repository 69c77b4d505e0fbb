package dev.inflight.worker.device;

import java.util.function.Consumer;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/** A value made when it is first asked for. Thread-safe. */
public final class Lazy<T> {
    private final Supplier<T> make;
    private @Nullable T value;

    public Lazy(Supplier<T> make) {
        this.make = make;
    }

    /** Makes it unless that was done before; throws what making it throws, and then may be asked again. */
    public synchronized T get() {
        var known = value;
        if (known == null) {
            known = make.get();
            value = known;
        }
        return known;
    }

    /** Takes the value, if it was made, to give it back. */
    synchronized void ifMade(Consumer<T> taker) {
        if (value != null) {
            taker.accept(value);
        }
    }
}
