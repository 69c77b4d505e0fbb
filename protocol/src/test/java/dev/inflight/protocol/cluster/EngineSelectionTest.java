package dev.inflight.protocol.cluster;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import java.util.Map;
import java.util.Set;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import org.junit.jupiter.api.Test;

class EngineSelectionTest {
    private static final Set<String> NAMES = Set.of("h1", "h1/0", "engine-0");
    private static final Map<String, String> LABELS = Map.of("tenant", "a", "domain", "chat");

    @Test
    void selectsByTheIdOfHostWorkerOrEngine() {
        assertThat(List.of("h1", "h1/0", "engine-0")).allMatch(EngineSelectionTest::selects);
        assertThat(List.of("h2", "h1/1", "engine", "")).noneMatch(EngineSelectionTest::selects);
    }

    @Test
    void selectsByAllLabelsThatAreNamed() {
        assertThat(selects("tenant=a")).isTrue();
        assertThat(selects("tenant=a,domain=chat")).isTrue();
        assertThat(selects("tenant=a,domain=code")).isFalse();
        assertThat(selects("tenant=a,host=h1")).isFalse();
        assertThat(selects("h1,tenant=a")).isTrue();
        assertThat(selects("h2,tenant=a")).isFalse();
    }

    @Test
    void selectsByOneOfSeveralAlternatives() {
        assertThat(selects("h2|h1/0")).isTrue();
        assertThat(selects("h2|tenant=a")).isTrue();
        assertThat(selects("h2|h3")).isFalse();
    }

    @Test
    void leavesOutWhatIsNotMeant() {
        assertThat(selects("!h1/0")).isFalse();
        assertThat(selects("!h2")).isTrue();
        assertThat(selects("tenant=a,!h1/0")).isFalse();
        assertThat(selects("!tenant=b")).isTrue();
    }

    @Test
    void anEngineWhoseNameLooksLikeASelectionIsFoundByIt() {
        assertThat(EngineSelection.of("a=b,c").selects(Set.of("h", "h/0", "a=b,c"), Map.of()))
                .isTrue();
    }

    @Test
    void equalSelectionsHaveEqualTexts() {
        assertThat(EngineSelection.canonical("domain=chat, tenant=a"))
                .isEqualTo(EngineSelection.canonical("tenant=a,domain=chat"))
                .isEqualTo("domain=chat,tenant=a");
        assertThat(EngineSelection.canonical("b|a|b")).isEqualTo("a|b");
        assertThat(EngineSelection.canonical("blue")).isEqualTo("blue");
        assertThat(EngineSelection.canonical(null)).isNull();
    }

    @Test
    void labelsAloneAreToldFromIds() {
        assertThat(EngineSelection.labelProblem("tenant=a,domain=chat")).isNull();
        assertThat(EngineSelection.labelProblem("tenant=a,h1")).contains("\"h1\" is not LABEL=VALUE");
        assertThat(EngineSelection.labelProblem("tenant=a|b")).isNotNull();
        assertThat(EngineSelection.labelProblem("")).isNotNull();
    }

    @Property
    void bothSelectsWhatEachSelects(@ForAll("selections") String one, @ForAll("selections") String other) {
        assertThat(selects(EngineSelection.both(one, other))).isEqualTo(selects(one) && selects(other));
        assertThat(EngineSelection.both(one, null)).isEqualTo(EngineSelection.canonical(one));
    }

    @Property
    void theOthersAreThoseThatAreNotChosen(
            @ForAll("selections") String all, @ForAll Set<@net.jqwik.api.From("ids") String> ids) {
        if (ids.isEmpty()) {
            return;
        }
        boolean chosen = selects(EngineSelection.ofIds(ids));
        assertThat(selects(EngineSelection.without(all, ids))).isEqualTo(selects(all) && !chosen);
        assertThat(selects(EngineSelection.without(null, ids))).isEqualTo(!chosen);
    }

    @Property
    void theCanonicalTextMeansTheSame(@ForAll("selections") String text) {
        String canonical = EngineSelection.canonical(text);
        assertThat(selects(canonical)).isEqualTo(selects(text));
        assertThat(EngineSelection.canonical(canonical)).isEqualTo(canonical);
    }

    @Provide
    Arbitrary<String> ids() {
        return Arbitraries.of("h1", "h1/0", "engine-0", "h2", "h2/0", "engine-1");
    }

    @Provide
    Arbitrary<String> selections() {
        Arbitrary<String> term = Arbitraries.of("h1", "h1/0", "engine-0", "h2", "tenant=a", "tenant=b", "domain=chat")
                .flatMap(text -> Arbitraries.of(text, "!" + text));
        Arbitrary<String> alternative = term.list().ofMinSize(1).ofMaxSize(3).map(terms -> String.join(",", terms));
        return alternative.list().ofMinSize(1).ofMaxSize(3).map(all -> String.join("|", all));
    }

    private static boolean selects(String text) {
        return EngineSelection.of(text).selects(NAMES, LABELS);
    }
}
