package dev.inflight.engine;

/** A message of the worker that can not be carried out; its text is the answer's. */
final class Refusal extends Exception {
    @SuppressWarnings("AnnotateFormatMethod") // the annotation would be a dependency of its own
    Refusal(String message, Object... arguments) {
        super(message.formatted(arguments), null, false, false);
    }

    String text() {
        return String.valueOf(getMessage());
    }
}
