package dev.inflight.coordinator.limits;

import java.util.Comparator;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/** Whose updates are counted together. */
public record Scope(Kind kind, String name) implements Comparable<Scope> {
    /** What updates have in common that are counted together. */
    public enum Kind {
        MODEL,
        /** Who asks: the requester that the request's token names. */
        TENANT;

        public String label() {
            return name().toLowerCase(Locale.ROOT);
        }
    }

    private static final String ANONYMOUS = "anonymous";
    private static final Comparator<Scope> ORDER =
            Comparator.comparing(Scope::kind).thenComparing(Scope::name);

    public static Scope model(String name) {
        return new Scope(Kind.MODEL, name);
    }

    public static Scope tenant(String name) {
        return new Scope(Kind.TENANT, name);
    }

    /** The name of the tenant who asks; those who do not say who they are are one together. */
    public static String tenantOf(@Nullable String requester) {
        return requester == null ? ANONYMOUS : requester;
    }

    @Override
    public int compareTo(Scope other) {
        return ORDER.compare(this, other);
    }

    @Override
    public String toString() {
        return kind.label() + " " + name;
    }
}
