package dev.inflight.worker.ucx;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class UcxDevicesTest {
    @Test
    void rdmaIsToldFromTheRest() {
        var devices = UcxDevices.parse("""
                #      resource 0  :  md 0  dev 0  flags -- self/memory0
                #      resource 1  :  md 1  dev 1  flags -- tcp/eth0
                #      resource 2  :  md 4  dev 2  flags -- rc_verbs/mlx5_0:1
                #      resource 3  :  md 4  dev 2  flags -s dc_mlx5/mlx5_0:1
                #      resource 4  :  md 5  dev 3  flags -- rdmacm/sockaddr
                """);
        assertThat(devices.names()).hasSize(5).contains("tcp/eth0");
        assertThat(devices.rdma()).containsExactly("rc_verbs/mlx5_0:1", "dc_mlx5/mlx5_0:1");
    }

    @Test
    void anEthernetHostHasNone() {
        assertThat(UcxDevices.parse("#  resource 1  :  md 1  dev 1  flags -- tcp/eth0")
                        .rdma())
                .isEmpty();
    }
}
