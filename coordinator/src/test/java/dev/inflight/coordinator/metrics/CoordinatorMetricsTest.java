package dev.inflight.coordinator.metrics;

import static org.assertj.core.api.Assertions.assertThat;

import dev.inflight.protocol.cluster.OperationReply.Operation;
import dev.inflight.protocol.cluster.OperationReply.State;
import java.nio.charset.StandardCharsets;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;

class CoordinatorMetricsTest {
    private final CoordinatorMetrics metrics = new CoordinatorMetrics();

    @Test
    void anAbortIsCountedWithItsCauseAndWhatWasDoneAboutIt() {
        metrics.ended("m", operation("update", State.FAILED, "worker w1/0 was lost", """
                {"outcome":"aborted","reason":"worker w1/0 was lost","mode":"in-place","seconds":1.5,
                 "deliveredBytes":100,"receivedBytes":0,"resentBytes":0,"engines":[{"stallMs":null}],
                 "restore":{"outcome":"restored"},"repair":null}"""));
        Exposition read = read();
        assertThat(read.value("inflight_operations_total{kind=\"update\",model=\"m\",outcome=\"aborted\"}"))
                .isEqualTo(1);
        assertThat(read.value("inflight_operation_failures_total{cause=\"worker_lost\",kind=\"update\",model=\"m\"}"))
                .isEqualTo(1);
        assertThat(read.value("inflight_update_restores_total{model=\"m\",outcome=\"restored\"}"))
                .isEqualTo(1);
        assertThat(read.has("inflight_update_repairs_total{")).isFalse();
        assertThat(
                        read.value(
                                "inflight_update_seconds_sum{kind=\"update\",mode=\"in-place\",model=\"m\",outcome=\"aborted\"}"))
                .isEqualTo(1.5);
    }

    @Test
    void aCommittedUpdateThatMissedAnEngineIsAFailureToo() {
        metrics.ended("a\"b", operation("update", State.SUCCEEDED, null, """
                {"outcome":"committed","reason":"committed, but not live on {w1/0=lost after the commit point}",
                 "mode":null,"seconds":1,"deliveredBytes":100,"receivedBytes":0,"resentBytes":0,"engines":[],
                 "restore":null,"repair":{"owners":["w1/0"]}}"""));
        Exposition read = read();
        assertThat(read.value(
                        "inflight_operation_failures_total{cause=\"worker_lost\",kind=\"update\",model=\"a\\\"b\"}"))
                .isEqualTo(1);
        assertThat(read.value("inflight_update_repairs_total{model=\"a\\\"b\"}"))
                .isEqualTo(1);
        assertThat(read.value("inflight_update_seconds_count{kind=\"update\",mode=\"unknown\",model=\"a\\\"b\","
                        + "outcome=\"committed\"}"))
                .isEqualTo(1);
    }

    @Test
    void whatRunsIsForgottenWhenTheCoordinatorStopsAndWhatEndedIsNot() {
        metrics.leads();
        metrics.began("publish");
        metrics.began("publish");
        metrics.over("publish");
        metrics.ended("m", operation("publish", State.FAILED, "/c: no such file or directory on this host", null));
        assertThat(read().value("inflight_operations_running{kind=\"publish\"}"))
                .isEqualTo(1);
        assertThat(read().value("inflight_coordinator_leader")).isEqualTo(1);
        metrics.stopped();
        assertThat(read().has("inflight_operations_running{")).isFalse();
        assertThat(read().value("inflight_coordinator_leader")).isZero();
        assertThat(read().value("inflight_operations_total{kind=\"publish\",model=\"m\",outcome=\"failed\"}"))
                .isEqualTo(1);
    }

    @Test
    void whatJoinsTookIsCountedWithWhatOfItWasCast() {
        metrics.ended("m", operation("join", State.SUCCEEDED, null, """
                {"outcome":"committed","reason":null,"mode":"in-place","seconds":1,"deliveredBytes":100,
                 "receivedBytes":90,"resentBytes":2,"sources":["a"],"castBytes":80,"castSources":["a"],"engines":[],
                 "restore":null,"repair":null}"""));
        String joins = "inflight_update_bytes_total{kind=\"join\",model=\"m\",stage=";
        assertThat(read().value(joins + "\"received\"}")).isEqualTo(90);
        assertThat(read().value(joins + "\"resent\"}")).isEqualTo(2);
        assertThat(read().value(joins + "\"cast\"}")).isEqualTo(80);
    }

    private Exposition read() {
        return Exposition.read(new String(metrics.text(), StandardCharsets.UTF_8));
    }

    private static Operation operation(String kind, State state, @Nullable String error, @Nullable String result) {
        return new Operation("id", kind, state, "ended", 0, 0, error, result);
    }
}
