package dev.inflight.coordinator.ledger;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.SerializationFeature;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.datatype.jsr310.JavaTimeModule;
import java.nio.charset.StandardCharsets;
import java.util.HexFormat;
import java.util.zip.CRC32C;

/**
 * A record as one line of JSON: {@code {"crc":"1a2b3c4d","record":{…}}}, where the sum is the CRC32C of the record's
 * UTF-8 bytes as they stand in the line. Files and messages between nodes hold these lines.
 */
final class LedgerCodec {
    /** Fields that newer software adds are passed over; entries of a kind that is not known are refused. */
    static final ObjectMapper MAPPER = JsonMapper.builder()
            .addModule(new JavaTimeModule())
            .disable(SerializationFeature.WRITE_DATES_AS_TIMESTAMPS)
            .disable(DeserializationFeature.FAIL_ON_UNKNOWN_PROPERTIES)
            .build();

    private static final String HEAD = "{\"crc\":\"";
    private static final String MIDDLE = "\",\"record\":";
    private static final int CRC_DIGITS = 8;
    private static final int RECORD_AT = HEAD.length() + CRC_DIGITS + MIDDLE.length();

    private LedgerCodec() {}

    /** A line is not what was written; the message says how. */
    static final class DamagedException extends Exception {
        private static final long serialVersionUID = 1;

        DamagedException(String message) {
            super(message);
        }
    }

    static String line(LedgerRecord record) {
        String json = json(record);
        return HEAD + crc(json) + MIDDLE + json + "}";
    }

    static String json(Object value) {
        try {
            return MAPPER.writeValueAsString(value);
        } catch (JsonProcessingException e) {
            throw new IllegalStateException("cannot write " + value.getClass().getName() + " as JSON", e);
        }
    }

    static LedgerRecord read(String line) throws DamagedException {
        if (line.length() <= RECORD_AT
                || !line.startsWith(HEAD)
                || !line.startsWith(MIDDLE, HEAD.length() + CRC_DIGITS)
                || !line.endsWith("}")) {
            throw new DamagedException("it does not have the form " + HEAD + "…" + MIDDLE + "…}");
        }
        String json = line.substring(RECORD_AT, line.length() - 1);
        String expected = line.substring(HEAD.length(), HEAD.length() + CRC_DIGITS);
        String actual = crc(json);
        if (!expected.equals(actual)) {
            throw new DamagedException("it says CRC32C " + expected + " but its record has " + actual);
        }
        try {
            return MAPPER.readValue(json, LedgerRecord.class);
        } catch (JsonProcessingException e) {
            throw new DamagedException(
                    "its record can not be read, maybe it is of newer software: " + e.getOriginalMessage());
        }
    }

    private static String crc(String json) {
        CRC32C crc = new CRC32C();
        crc.update(json.getBytes(StandardCharsets.UTF_8));
        return HexFormat.of().toHexDigits((int) crc.getValue());
    }
}
