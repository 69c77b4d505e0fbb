package dev.inflight.protocol.cluster;

import java.util.ArrayList;
import java.util.Collection;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * Which engines of a model are meant, as commands and the ledger write it:
 *
 * <pre>
 * selection   := alternative ( "|" alternative )*    any of them
 * alternative := term ( "," term )*                  all of them
 * term        := [ "!" ] ( id | label "=" value )    id: of a host, a worker or an engine
 * </pre>
 *
 * <p>Texts that mean the same are equal once they are canonical. Every text has a meaning; one that nothing matches selects
 * no engine.
 */
public final class EngineSelection {
    private static final Pattern LABELS = Pattern.compile("[A-Za-z0-9][A-Za-z0-9._/-]*=[A-Za-z0-9][A-Za-z0-9._/-]*");

    private final String text;
    private final Set<String> ids;
    private final List<List<String>> alternatives;

    private EngineSelection(String text) {
        this.text = text;
        Set<String> alone = new HashSet<>();
        List<List<String>> others = new ArrayList<>();
        for (List<String> terms : parse(text)) {
            if (terms.size() == 1 && isId(terms.getFirst())) {
                alone.add(terms.getFirst());
            } else {
                others.add(terms);
            }
        }
        this.ids = Set.copyOf(alone);
        this.alternatives = List.copyOf(others);
    }

    public static EngineSelection of(String text) {
        return new EngineSelection(text);
    }

    /** The text by which a selection is known; null, which means every engine, stays null. */
    public static @Nullable String canonical(@Nullable String text) {
        return text == null || isSimple(text) ? text : text(parse(text));
    }

    /**
     * Those that are in both.
     *
     * @param one null for every engine
     * @param other null for every engine
     */
    public static @Nullable String both(@Nullable String one, @Nullable String other) {
        if (one == null || other == null) {
            return canonical(one == null ? other : one);
        }
        List<List<String>> both = new ArrayList<>();
        for (List<String> left : parse(one)) {
            for (List<String> right : parse(other)) {
                List<String> terms = new ArrayList<>(left);
                terms.addAll(right);
                both.add(terms);
            }
        }
        return text(both);
    }

    /** These ids and no others. */
    public static String ofIds(Collection<String> ids) {
        return text(ids.stream().map(List::of).toList());
    }

    /**
     * Those of a selection that have none of these ids.
     *
     * @param selection null for every engine
     */
    public static String without(@Nullable String selection, Collection<String> ids) {
        String none = ids.stream().sorted().map(id -> "!" + id).collect(Collectors.joining(","));
        return Objects.requireNonNull(both(selection, none));
    }

    /** Why a text does not select by labels alone, {@code label=value,…}; null if it does. */
    public static @Nullable String labelProblem(String text) {
        for (String term : text.split(",", -1)) {
            if (!LABELS.matcher(term.strip()).matches()) {
                return "\"" + term + "\" is not LABEL=VALUE, of letters, digits and . _ / -";
            }
        }
        return null;
    }

    /**
     * Whether an engine is meant.
     *
     * @param names its own id, and those of its worker and host
     */
    public boolean selects(Set<String> names, Map<String, String> labels) {
        // An engine may have a name that looks like a selection.
        if (names.contains(text) || names.stream().anyMatch(ids::contains)) {
            return true;
        }
        return alternatives.stream().anyMatch(terms -> terms.stream().allMatch(term -> holds(term, names, labels)));
    }

    private static boolean holds(String term, Set<String> names, Map<String, String> labels) {
        boolean not = term.startsWith("!");
        String wanted = not ? term.substring(1) : term;
        int equals = wanted.indexOf('=');
        boolean is = equals < 0
                ? names.contains(wanted)
                : wanted.substring(equals + 1).equals(labels.get(wanted.substring(0, equals)));
        return is != not;
    }

    private static boolean isSimple(String text) {
        return text.indexOf('|') < 0 && text.indexOf(',') < 0;
    }

    private static boolean isId(String term) {
        return !term.startsWith("!") && term.indexOf('=') < 0;
    }

    private static List<List<String>> parse(String text) {
        List<List<String>> alternatives = new ArrayList<>();
        for (String alternative : text.split("\\|", -1)) {
            List<String> terms = new ArrayList<>();
            for (String term : alternative.split(",", -1)) {
                terms.add(term.strip());
            }
            alternatives.add(terms);
        }
        return alternatives;
    }

    private static String text(List<List<String>> alternatives) {
        Set<String> texts = new TreeSet<>();
        alternatives.forEach(terms -> texts.add(String.join(",", new TreeSet<>(terms))));
        return String.join("|", texts);
    }

    /** As it was given. */
    @Override
    public String toString() {
        return text;
    }
}
