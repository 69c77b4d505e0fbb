package dev.inflight.worker;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.typesafe.config.ConfigException;
import com.typesafe.config.ConfigFactory;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.Test;

class WorkerSettingsTest {
    @Test
    void ncclIsUsedWhereItIsUnlessItIsSwitchedOff() {
        assertThat(settings("").nccl()).isTrue();
        assertThat(settings("inflight.worker.nccl = off").nccl()).isFalse();
        assertThat(settings("inflight.worker.nccl-timeout = 40s").ncclTimeout()).isEqualTo(Duration.ofSeconds(40));
    }

    @Test
    void anotherWordForItIsRefusedByName() {
        assertThatThrownBy(() -> settings("inflight.worker.nccl = always"))
                .isInstanceOf(ConfigException.BadValue.class)
                .hasMessageContaining("inflight.worker.nccl")
                .hasMessageContaining("\"always\" is neither auto nor off");
    }

    @Test
    void aHostNeedsAbsoluteDirectoriesThatCheckpointsComeFrom() {
        assertThatThrownBy(() -> settings("inflight.worker.checkpoint-roots = []"))
                .isInstanceOf(ConfigException.BadValue.class)
                .hasMessageContaining("inflight.worker.checkpoint-roots")
                .hasMessageContaining("INFLIGHT_CHECKPOINTS");
        assertThatThrownBy(() -> settings("inflight.worker.checkpoint-roots = [\"/data\", \"data\"]"))
                .isInstanceOf(ConfigException.BadValue.class)
                .hasMessageContaining("\"data\" is no absolute path");
    }

    @Test
    void aPeerServerIsReachedWhereItListensUnlessAnotherEndpointIsAdvertised() {
        assertThat(settings("").peerAdvertised()).isNull();
        for (String endpoint : List.of("10.0.0.1:25521", "host-1.example:1", "[fe80::1]:65535")) {
            assertThat(settings("inflight.worker.peer.advertised = \"" + endpoint + "\"")
                            .peerAdvertised())
                    .isEqualTo(endpoint);
        }
        for (String wrong : List.of("10.0.0.1", "10.0.0.1:0", ":25521", "fe80::1:25521", "a b:1")) {
            assertThatThrownBy(() -> settings("inflight.worker.peer.advertised = \"" + wrong + "\""))
                    .isInstanceOf(ConfigException.BadValue.class)
                    .hasMessageContaining("inflight.worker.peer.advertised")
                    .hasMessageContaining("\"" + wrong + "\" is not host:port");
        }
    }

    private static WorkerSettings settings(String overrides) {
        return WorkerSettings.from(ConfigFactory.parseString(overrides)
                .withFallback(ConfigFactory.parseString("inflight.worker.checkpoint-roots = [\"/\"]"))
                .withFallback(ConfigFactory.load()));
    }
}
