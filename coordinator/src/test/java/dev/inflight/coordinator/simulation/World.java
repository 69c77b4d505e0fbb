package dev.inflight.coordinator.simulation;

import akka.actor.testkit.typed.javadsl.TestInbox;
import java.util.ArrayDeque;
import java.util.Comparator;
import java.util.Deque;
import java.util.PriorityQueue;
import java.util.Random;

/** Simulated time and chance. What is to happen at the same millisecond happens in the order in which it was planned. */
final class World {
    private static final int REMEMBERED_LINES = 400;

    private record Event(long at, long number, Runnable what) {}

    final Random chance;
    private final PriorityQueue<Event> events =
            new PriorityQueue<>(Comparator.comparingLong(Event::at).thenComparingLong(Event::number));
    private final Deque<String> story = new ArrayDeque<>();
    private long now;
    private long planned;
    private long inboxes;

    World(long seed) {
        this.chance = new Random(seed);
    }

    long now() {
        return now;
    }

    void in(long millis, Runnable what) {
        events.add(new Event(now + millis, planned++, what));
    }

    /** Lets time pass until then, or until nothing is planned. */
    void runUntil(long millis) {
        while (!events.isEmpty() && events.peek().at() <= millis) {
            var event = events.remove();
            now = event.at();
            event.what().run();
        }
        now = Math.max(now, millis);
    }

    boolean happens(double probability) {
        return chance.nextDouble() < probability;
    }

    /** A number of milliseconds, both ends included. */
    long between(long least, long most) {
        return least + chance.nextLong(most - least + 1);
    }

    /** References of inboxes with one name are equal, so every one gets a name of its own. */
    <T> TestInbox<T> inbox(String name) {
        return TestInbox.create(name + "-" + inboxes++);
    }

    /** For whoever has to find out what went wrong. */
    void tell(String form, Object... arguments) {
        story.addLast("%7d ms  ".formatted(now) + form.formatted(arguments));
        if (story.size() > REMEMBERED_LINES) {
            story.removeFirst();
        }
    }

    String story() {
        return String.join("\n", story);
    }
}
