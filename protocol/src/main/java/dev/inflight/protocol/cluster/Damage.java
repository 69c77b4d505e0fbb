package dev.inflight.protocol.cluster;

import java.util.Locale;

/**
 * A block that was not what was published, found and mended before an engine was told to read it.
 *
 * @param place where it lay
 * @param host host of that place; of {@link Place#WIRE} the receiver
 * @param file the checkpoint's file that the tensor is in
 * @param begin the block's first byte, counted from the tensor's
 * @param mendedFrom what the right bytes came from, such as a host's store or the source's files
 */
public record Damage(Place place, String host, String file, String tensor, long begin, String mendedFrom) {
    public enum Place {
        /** The checkpoint's file, as it is read again. */
        FILE,
        /** A host's memory of shards. */
        STORE,
        /** Between two hosts. */
        WIRE,
        /** Where a bucket lies that an engine is to load, or on its way there. */
        SLOT,
        /** What an engine has loaded. */
        ENGINE;

        /** The name used in results, metrics and documents. */
        public String label() {
            return name().toLowerCase(Locale.ROOT);
        }
    }
}
