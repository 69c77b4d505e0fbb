package dev.inflight.worker.store;

import dev.inflight.protocol.cluster.Damage;

/** Bytes are not those that were published; the message names host, file, tensor and position. */
public final class CorruptBlockException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    private final String host;
    private final String file;
    private final String tensor;
    private final long begin;

    /**
     * @param version what was published, for people
     * @param begin the block's first byte, counted from the tensor's
     */
    CorruptBlockException(String host, String file, String tensor, long begin, String version) {
        super(host + ": " + file + ": tensor \"" + tensor + "\": block at byte " + begin
                + " is not what was published as " + version);
        this.host = host;
        this.file = file;
        this.tensor = tensor;
        this.begin = begin;
    }

    /**
     * What was found, once it is mended.
     *
     * @param from what the right bytes came from
     */
    public Damage mended(Damage.Place place, String from) {
        return new Damage(place, host, file, tensor, begin, from);
    }
}
