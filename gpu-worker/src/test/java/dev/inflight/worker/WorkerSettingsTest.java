package dev.inflight.worker;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.typesafe.config.ConfigException;
import com.typesafe.config.ConfigFactory;
import dev.inflight.protocol.cluster.LoadMode;
import dev.inflight.protocol.link.EngineDevice;
import dev.inflight.protocol.link.EngineMessage.Hello;
import java.time.Duration;
import java.util.List;
import java.util.Map;
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

    @Test
    void joinsWaitForOthersOnlyWhereMulticastReachesThem() {
        String multicast = "inflight.worker.aeron.multicast = \"239.192.71.1:40471\"\n";
        String gather = "inflight.worker.join.gather = 300ms\n";
        assertThat(settings(multicast).joinGather()).isZero();
        assertThat(settings(gather).joinGather()).isZero();
        assertThat(settings(multicast + gather).joinGather()).isEqualTo(Duration.ofMillis(300));
        assertThatThrownBy(() -> settings("inflight.worker.join.gather = 6s"))
                .isInstanceOf(ConfigException.BadValue.class)
                .hasMessageContaining("inflight.worker.join.gather")
                .hasMessageContaining("6000 ms are not in 0 to 5 s");
    }

    @Test
    void anEngineHasItsHostsLabelsAndItsOwnComeFirst() {
        EngineLabels labels = settings("inflight.worker { labels { tenant = a, domain = chat, tier = 1 },"
                        + " engine-labels { \"engine-1\" { tenant = b } } }")
                .labels();
        assertThat(labels.of(hello("engine-0", 1))).isEqualTo(Map.of("tenant", "a", "domain", "chat", "tier", "1"));
        assertThat(labels.of(hello("engine-1", 2)))
                .isEqualTo(Map.of("tenant", "b", "domain", "chat", "tier", "1", "tp-rank", "1", "tp-size", "2"));
        assertThat(settings("").labels()).isEqualTo(EngineLabels.NONE);
    }

    @Test
    void whatIsNoLabelIsRefusedByName() {
        assertThatThrownBy(() -> settings("inflight.worker.labels { tenant = \"a,b\" }"))
                .isInstanceOf(ConfigException.BadValue.class)
                .hasMessageContaining("inflight.worker.labels.tenant");
        assertThatThrownBy(() -> settings("inflight.worker.labels { tenant { a = b } }"))
                .hasMessageContaining("inflight.worker.labels.tenant");
        assertThatThrownBy(() -> settings("inflight.worker.engine-labels { e = x }"))
                .hasMessageContaining("inflight.worker.engine-labels.\"e\"");
    }

    private static Hello hello(String engine, int ranks) {
        return new Hello(
                1,
                engine,
                1,
                "m",
                EngineDevice.HOST,
                ranks - 1,
                ranks,
                List.of(),
                List.of(LoadMode.IN_PLACE),
                false,
                null,
                null);
    }

    private static WorkerSettings settings(String overrides) {
        return WorkerSettings.from(ConfigFactory.parseString(overrides)
                .withFallback(ConfigFactory.parseString("inflight.worker.checkpoint-roots = [\"/\"]"))
                .withFallback(ConfigFactory.load()));
    }
}
