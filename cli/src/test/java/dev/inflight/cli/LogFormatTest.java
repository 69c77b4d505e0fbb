package dev.inflight.cli;

import static org.assertj.core.api.Assertions.assertThat;

import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.LoggerContext;
import ch.qos.logback.classic.joran.JoranConfigurator;
import ch.qos.logback.classic.spi.ILoggingEvent;
import ch.qos.logback.classic.spi.LoggingEvent;
import ch.qos.logback.core.ConsoleAppender;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.inflight.protocol.log.UpdateFields;
import java.io.ByteArrayInputStream;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.Callable;
import org.junit.jupiter.api.Test;
import org.slf4j.MDC;

/** Lines as the files that logback.xml includes make them. */
class LogFormatTest {
    @Test
    void textShowsTheUpdateAndItsEpochWhereThereIsOne() throws Exception {
        assertThat(line("text", Map.of())).endsWith("WARN  d.inflight.worker.UpdateSteps - w1/0: \"staged\"" + end());
        assertThat(line("text", Map.of(UpdateFields.UPDATE, "update-1")))
                .contains(" d.inflight.worker.UpdateSteps [update-1] - w1/0");
        assertThat(line("text", Map.of(UpdateFields.UPDATE, "update-1", UpdateFields.EPOCH, "17")))
                .contains(" d.inflight.worker.UpdateSteps [update-1/17] - w1/0");
    }

    @Test
    void jsonIsOneObjectALineWithBothAsFields() throws Exception {
        String line = line("json", Map.of(UpdateFields.UPDATE, "update-1", UpdateFields.EPOCH, "17"));
        assertThat(line.strip()).doesNotContain("\n");
        JsonNode json = new ObjectMapper().readTree(line);
        assertThat(json.at("/mdc/update").asText()).isEqualTo("update-1");
        assertThat(json.at("/mdc/epoch").asText()).isEqualTo("17");
        assertThat(json.get("level").asText()).isEqualTo("WARN");
        assertThat(json.get("formattedMessage").asText()).isEqualTo("w1/0: \"staged\"");
        assertThat(json.get("timestamp").asLong()).isPositive();
    }

    @Test
    void theFieldsAreThoseOfTheUpdateThatAThreadWorksFor() throws Exception {
        Callable<Map<String, String>> fields = () -> new HashMap<>(MDC.getCopyOfContextMap());
        Callable<Map<String, String>> carried;
        try (UpdateFields outer = UpdateFields.of("update-1", 17)) {
            carried = UpdateFields.carry(fields);
            try (UpdateFields inner = UpdateFields.of("update-2", 0)) {
                assertThat(fields.call()).containsExactly(Map.entry("update", "update-2"));
            }
            assertThat(fields.call()).containsOnly(Map.entry("update", "update-1"), Map.entry("epoch", "17"));
        }
        assertThat(fields.call()).isEmpty();
        assertThat(carried.call()).containsOnly(Map.entry("update", "update-1"), Map.entry("epoch", "17"));
        assertThat(fields.call()).isEmpty();
    }

    private static String line(String format, Map<String, String> fields) throws Exception {
        LoggerContext context = new LoggerContext();
        JoranConfigurator configurator = new JoranConfigurator();
        configurator.setContext(context);
        configurator.doConfigure(new ByteArrayInputStream(("<configuration><include resource=\"log-" + format
                        + ".xml\"/><root><appender-ref ref=\"stderr\"/></root></configuration>")
                .getBytes(StandardCharsets.UTF_8)));
        var appender =
                (ConsoleAppender<ILoggingEvent>) context.getLogger("ROOT").getAppender("stderr");
        LoggingEvent event = new LoggingEvent(
                "",
                context.getLogger("dev.inflight.worker.UpdateSteps"),
                Level.WARN,
                "{}: \"staged\"",
                null,
                new Object[] {"w1/0"});
        event.setMDCPropertyMap(fields);
        return new String(appender.getEncoder().encode(event), StandardCharsets.UTF_8);
    }

    private static String end() {
        return System.lineSeparator();
    }
}
