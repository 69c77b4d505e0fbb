package dev.inflight.coordinator.simulation;

/** What lies between the coordinator and a worker host: messages take their time, get lost, come twice or overtake. */
final class Network {
    private final World world;
    private double loss;
    private double twice;
    private double late;

    Network(World world) {
        this.world = world;
    }

    /** Probabilities for each message. */
    void disturb(double newLoss, double newTwice, double newLate) {
        loss = newLoss;
        twice = newTwice;
        late = newLate;
    }

    void heal() {
        disturb(0, 0, 0);
    }

    void send(Runnable delivery) {
        if (world.happens(loss)) {
            return;
        }
        world.in(delay(), delivery);
        if (world.happens(twice)) {
            world.in(delay(), delivery);
        }
    }

    private long delay() {
        return world.happens(late) ? world.between(5, 800) : world.between(1, 4);
    }
}
