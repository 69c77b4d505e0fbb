package dev.inflight.protocol.plan;

/** No plan can be made from these inputs. The message says which input, with its numbers, and what would help. */
public final class PlanException extends RuntimeException {
    public PlanException(String message) {
        super(message);
    }
}
