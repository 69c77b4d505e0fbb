package dev.inflight.coordinator.metrics;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Reasons as the coordinator and its workers write them. */
class FailureCauseTest {
    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "CORRUPT | w1/0: peer 10.0.0.2:25521: bucket 3 chunk 1: the CRC32C does not match, the bytes changed on their way",
                "CORRUPT | w1/0: a.safetensors: tensor x: block at byte 0 is not what was published as m v2",
                "CORRUPT | w1/0: w1: engine e1 has loaded bytes that are not what was published as m v2: a.safetensors: tensor x",
                "CORRUPT | no live host can load shards [0] again: w1: /c: w1: a: tensor x: block at byte 0 is not what was published as m v1",
                "CORRUPT | no live host can load shards [0] again: w1: /c: its digest is now aa, published as m v1 was bb",
                "ENGINE_LOST | w1/0: engine e1 was lost: Connection reset (suspect: e1)",
                "ENGINE_LOST | committed, but not live on {w1/0=engine e1 was lost: the socket ended}",
                "ENGINE_LOST | w1/0: engine e1 is no longer connected: end of stream",
                "WORKER_LOST | worker w1/0 was lost",
                "WORKER_LOST | workers [w1/0, w2/0] were lost; first noticed by w3/0: peer 10.0.0.2:25521: it is silent",
                "WORKER_LOST | committed, but not live on {w1/0=lost before the commit point}",
                "WORKER_LOST | nobody can stand in for lost w1/0: no live host can load shards [1] again: lost",
                "COORDINATOR_LOST | its coordinator was lost, and nobody knows what became of it",
                "TIMEOUT | no plan from [w1/0] within 10000 ms",
                "TIMEOUT | nothing more from [w1/0] for 10000 ms while streaming",
                "TIMEOUT | w1/0: nothing moved for 10000 ms while waiting for bucket 7",
                "TIMEOUT | committed, but not live on {w1/0=did not say within 5000 ms that it committed}",
                "DISAGREED | workers computed different plans, so their software or files differ: {w1/0=a, w2/0=b}",
                "UNAVAILABLE | no live host can load shards [1] again: w1: /c/a.safetensors: no such file",
                "REFUSED | w1/0 cannot take part: engine e1 does not support mode shadow; it supports [in-place]",
                "REFUSED | version v1 of model m is published with digest aa; /c has digest bb; publish it under another version",
                "ENGINE_FAILED | w1/0: engine e1: load: bucket 3: shape mismatch",
                "CANCELLED | broken off for an update to version v2",
                "INTERNAL | the session stopped because of an internal error; see the coordinator's log",
                "OTHER | something that nobody has thought of",
            })
    void tellsTheCauseFromTheReason(FailureCause cause, String reason) {
        assertThat(FailureCause.of(reason)).isEqualTo(cause);
    }
}
