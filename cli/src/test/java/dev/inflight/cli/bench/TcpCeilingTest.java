package dev.inflight.cli.bench;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class TcpCeilingTest {
    @Test
    void loopbackCarriesMoreThanAnyNetworkCardOfLongAgo() throws InterruptedException {
        assertThat(TcpCeiling.measureGBps()).isBetween(0.01, 1000.0);
    }
}
