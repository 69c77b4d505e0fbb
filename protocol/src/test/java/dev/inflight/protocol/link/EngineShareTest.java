package dev.inflight.protocol.link;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.Collections;
import java.util.List;
import org.junit.jupiter.api.Test;

class EngineShareTest {
    @Test
    void aRankOfExpertsWantsItsOwnAndAllThatIsNoExpert() {
        var share = wanting(
                new WantRule("*.experts.3.*", true),
                new WantRule("*.experts.4.*", true),
                new WantRule("*.experts.*", false));
        assertThat(share.wants("model.layers.0.mlp.experts.3.up_proj.weight")).isTrue();
        assertThat(share.wants("model.layers.0.mlp.experts.33.up_proj.weight")).isFalse();
        assertThat(share.wants("model.layers.0.mlp.gate.weight")).isTrue();
    }

    @Test
    void anEngineOfAdaptersWantsNothingElse() {
        var share = wanting(new WantRule("*.lora_*", true), new WantRule("*", false));
        assertThat(share.wants("model.layers.0.q_proj.lora_A.weight")).isTrue();
        assertThat(share.wants("model.layers.0.q_proj.weight")).isFalse();
    }

    @Test
    void withoutRulesEverythingIsWanted() {
        assertThat(EngineShare.ALL.wants("anything")).isTrue();
    }

    @Test
    void rulesAreBounded() {
        assertThatThrownBy(() -> new WantRule("", true)).hasMessageContaining("1 to 256 bytes, this one has 0");
        assertThatThrownBy(() -> new WantRule("ü".repeat(129), true)).hasMessageContaining("this one has 258");
        var most = Collections.nCopies(513, new WantRule("*", true));
        assertThatThrownBy(() -> new EngineShare(most, TensorParallel.NONE)).hasMessageContaining("at most 512 rules");
    }

    private static EngineShare wanting(WantRule... rules) {
        return new EngineShare(List.of(rules), TensorParallel.NONE);
    }
}
