package dev.inflight.protocol.link;

/** Names of tensors as engines give them: {@code *} stands for any run of characters, also none. */
final class NamePattern {
    private static final String ANY = "*";

    private NamePattern() {}

    /** Whether the pattern covers the whole name. Takes time of at most the product of both lengths. */
    static boolean matches(String pattern, String name) {
        int star = pattern.indexOf(ANY);
        if (star < 0) {
            return name.equals(pattern);
        }
        String first = pattern.substring(0, star);
        String last = pattern.substring(pattern.lastIndexOf(ANY) + 1);
        int end = name.length() - last.length();
        if (end < first.length() || !name.startsWith(first) || !name.endsWith(last)) {
            return false;
        }
        int at = first.length();
        for (int from = star + 1; from < pattern.length() - last.length(); from = pattern.indexOf(ANY, from) + 1) {
            String piece = pattern.substring(from, pattern.indexOf(ANY, from));
            // The earliest place leaves the most room for what follows.
            int found = name.indexOf(piece, at);
            if (found < 0 || found + piece.length() > end) {
                return false;
            }
            at = found + piece.length();
        }
        return true;
    }
}
