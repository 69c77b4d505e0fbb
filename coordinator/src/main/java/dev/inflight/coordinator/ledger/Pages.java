package dev.inflight.coordinator.ledger;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;

/** Cuts records into messages that fit Artery's frames of 256 KiB without compression. */
final class Pages {
    static final int MOST_BYTES = 128 << 10;

    private Pages() {}

    /** Lines of the first records, as many as fit and at least one: entries are written small enough. */
    static List<String> first(List<LedgerRecord> records) {
        List<String> lines = new ArrayList<>();
        long bytes = 0;
        for (LedgerRecord record : records) {
            String line = LedgerCodec.line(record);
            bytes += line.getBytes(StandardCharsets.UTF_8).length;
            if (!lines.isEmpty() && bytes > MOST_BYTES) {
                break;
            }
            lines.add(line);
        }
        return lines;
    }

    /** The records after a sequence number. */
    static List<LedgerRecord> after(List<LedgerRecord> records, long sequence) {
        int from = records.size();
        while (from > 0 && records.get(from - 1).sequence() > sequence) {
            from--;
        }
        return records.subList(from, records.size());
    }
}
