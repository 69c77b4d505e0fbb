package dev.inflight.coordinator.update;

import com.typesafe.config.Config;
import dev.inflight.coordinator.operation.Settings;
import dev.inflight.protocol.cluster.VerifyPoint;
import java.time.Duration;

/** Bounds of an update, from {@code inflight.coordinator.update}; reference.conf documents each. */
public record UpdateSettings(
        Duration prepareTimeout,
        Duration beginTimeout,
        Duration stallTimeout,
        Duration streamTimeout,
        Duration commitTimeout,
        Duration abortTimeout,
        Duration resendInterval,
        Duration restoreTimeout,
        int restoreAttempts,
        OnMemberLoss onMemberLoss,
        Duration recoveryWindow,
        long minSlotBytes,
        long maxSlotBytes,
        int maxSlots,
        ExchangeSetting exchange,
        VerifyPoint verify,
        Duration progressInterval) {
    /** What becomes of an update before its commit point when a member is lost that others can do without or stand in for. */
    public enum OnMemberLoss {
        /** It goes on without that member's engine, which joins when it is back. */
        CONTINUE,
        /** It is aborted. */
        ABORT
    }

    public static UpdateSettings from(Config config) {
        Settings settings = new Settings(config);
        UpdateSettings result = new UpdateSettings(
                settings.duration("prepare-timeout"),
                settings.duration("begin-timeout"),
                settings.duration("stall-timeout"),
                settings.duration("stream-timeout"),
                settings.duration("commit-timeout"),
                settings.duration("abort-timeout"),
                settings.duration("resend-interval"),
                settings.duration("restore-timeout"),
                (int) settings.number("restore-attempts", 0, 100),
                settings.oneOf("on-member-loss", OnMemberLoss.values()),
                settings.duration("recovery-window"),
                settings.bytes("min-slot", 1 << 20, 1L << 40),
                settings.bytes("max-slot", 1 << 20, 1L << 40),
                (int) settings.number("max-slots", 1, 8),
                exchange(settings),
                settings.oneOf("verify", VerifyPoint.values()),
                settings.duration("progress-interval"));
        if (result.minSlotBytes > result.maxSlotBytes) {
            throw settings.refuse("min-slot", "must not be above max-slot");
        }
        return result;
    }

    private static ExchangeSetting exchange(Settings settings) {
        return switch (settings.text("exchange")) {
            case "auto" -> ExchangeSetting.AUTO;
            case "transfers" -> ExchangeSetting.TRANSFERS;
            case "nccl" -> ExchangeSetting.NCCL;
            case "aeron" -> ExchangeSetting.AERON;
            default -> throw settings.refuse("exchange", "must be auto, transfers, nccl or aeron");
        };
    }
}
