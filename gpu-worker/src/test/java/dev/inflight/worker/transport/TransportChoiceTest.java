package dev.inflight.worker.transport;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.inflight.worker.transport.TransportChoice.Setting;
import dev.inflight.worker.transport.TransportChoice.Ucx;
import dev.inflight.worker.ucx.UcxDevices;
import java.util.List;
import org.junit.jupiter.api.Test;

class TransportChoiceTest {
    private static final Ucx ETHERNET = new Ucx.Found(new UcxDevices(List.of("tcp/eth0")));
    private static final Ucx INFINIBAND = new Ucx.Found(new UcxDevices(List.of("tcp/eth0", "rc_mlx5/mlx5_0:1")));
    private static final Ucx MISSING = new Ucx.Missing("there is no libucp.so.0");

    @Test
    void autoTakesUcxForRdmaOnly() {
        assertThat(TransportChoice.of(Setting.AUTO, INFINIBAND))
                .isEqualTo(new TransportChoice(true, "UCX finds RDMA: rc_mlx5/mlx5_0:1"));
        assertThat(TransportChoice.of(Setting.AUTO, ETHERNET).ucx()).isFalse();
        assertThat(TransportChoice.of(Setting.AUTO, MISSING))
                .isEqualTo(new TransportChoice(false, "there is no libucp.so.0"));
    }

    @Test
    void eitherCanBeForced() {
        assertThat(TransportChoice.of(Setting.UCX, ETHERNET).ucx()).isTrue();
        assertThat(TransportChoice.of(Setting.TCP, INFINIBAND).ucx()).isFalse();
    }

    @Test
    void ucxThatIsDemandedAndMissingIsRefused() {
        assertThatThrownBy(() -> TransportChoice.of(Setting.UCX, MISSING))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("is ucx, but there is no libucp.so.0");
    }
}
