package dev.inflight.protocol.checkpoint;

/** A checkpoint that is refused. The message starts with the name of the file at fault. */
public class CheckpointException extends RuntimeException {
    private static final int LONGEST_QUOTE = 200;

    /**
     * @param file the file at fault, as {@link SourceFile#name()}
     * @param problem what is wrong, where, and what to do
     */
    public CheckpointException(String file, String problem) {
        super(file + ": " + problem);
    }

    public CheckpointException(String file, String problem, Throwable cause) {
        super(file + ": " + problem, cause);
    }

    /** A problem of one tensor. */
    public static CheckpointException ofTensor(String file, String tensor, String problem) {
        return new CheckpointException(file, "tensor " + quote(tensor) + " " + problem);
    }

    /** Quotes a name from a file for a message: names there may hold anything, of any length. */
    public static String quote(String name) {
        StringBuilder quoted = new StringBuilder("\"");
        name.chars().limit(LONGEST_QUOTE).forEach(c -> {
            if (Character.isISOControl(c) || Character.isSurrogate((char) c)) {
                quoted.append(String.format("\\u%04x", c));
            } else {
                quoted.append((char) c);
            }
        });
        return quoted.append(name.length() > LONGEST_QUOTE ? "…\"" : "\"").toString();
    }
}
