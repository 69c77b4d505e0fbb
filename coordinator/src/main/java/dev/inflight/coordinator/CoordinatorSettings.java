package dev.inflight.coordinator;

import com.typesafe.config.Config;
import dev.inflight.coordinator.canary.CanarySettings;
import dev.inflight.coordinator.http.HttpSettings;
import dev.inflight.coordinator.join.JoinSettings;
import dev.inflight.coordinator.ledger.LedgerSettings;
import dev.inflight.coordinator.limits.LimitSettings;
import dev.inflight.coordinator.operation.Settings;
import dev.inflight.coordinator.publish.PublishSettings;
import dev.inflight.coordinator.update.UpdateSettings;
import dev.inflight.coordinator.verify.VerifySettings;
import java.nio.file.Path;
import java.time.Duration;

/**
 * Everything that can be set about the coordinator, from {@code inflight.coordinator}; reference.conf documents each
 * setting with its unit and range.
 */
public record CoordinatorSettings(
        HttpSettings http,
        PublishSettings publish,
        UpdateSettings update,
        JoinSettings join,
        CanarySettings canary,
        VerifySettings verify,
        LimitSettings limits,
        Path dataDir,
        LedgerSettings ledger,
        int keepVersions,
        KeepPrevious keepPrevious,
        int operationHistory,
        Duration subscribeRetry) {
    /** The cluster role of nodes that may run the coordinator. */
    public static final String ROLE = "coordinator";

    /**
     * @param config the whole configuration, reference.conf included
     * @throws com.typesafe.config.ConfigException if a setting is missing or out of range
     */
    public static CoordinatorSettings from(Config config) {
        Config own = config.getConfig("inflight.coordinator");
        Settings settings = new Settings(own);
        HttpSettings http = HttpSettings.from(own.getConfig("http"));
        LedgerSettings ledger = LedgerSettings.from(own.getConfig("ledger"));
        if (ledger.longestDoubt().compareTo(http.askTimeout()) > 0) {
            throw settings.refuse(
                    "ledger.append-timeout",
                    "must be at least 250 ms below http.ask-timeout, or nobody hears why a decision is in doubt");
        }
        return new CoordinatorSettings(
                http,
                PublishSettings.from(own.getConfig("publish")),
                UpdateSettings.from(own.getConfig("update")),
                JoinSettings.from(own.getConfig("join")),
                CanarySettings.from(own.getConfig("canary")),
                VerifySettings.from(own.getConfig("verify")),
                LimitSettings.from(own.getConfig("limits")),
                Path.of(settings.text("data-dir")),
                ledger,
                (int) settings.number("keep-versions", 1, 1000),
                settings.oneOf("keep-previous", KeepPrevious.values()),
                (int) settings.number("operation-history", 1, 100_000),
                settings.duration("subscribe-retry"));
    }
}
