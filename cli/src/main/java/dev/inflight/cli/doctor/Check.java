package dev.inflight.cli.doctor;

/**
 * One thing Inflight needs or can use.
 *
 * @param name what was looked at
 * @param level whether it is as it should be
 * @param found what this machine has
 * @param advice what to do about it, empty if nothing
 */
public record Check(String name, Level level, String found, String advice) {
    /** How good it is. */
    public enum Level {
        /** As it should be. */
        OK,
        /** Something will not work or not be fast; the rest does. */
        WARN,
        /** Nothing will work. */
        FAIL
    }

    static Check ok(String name, String found) {
        return new Check(name, Level.OK, found, "");
    }

    static Check warn(String name, String found, String advice) {
        return new Check(name, Level.WARN, found, advice);
    }

    static Check fail(String name, String found, String advice) {
        return new Check(name, Level.FAIL, found, advice);
    }
}
