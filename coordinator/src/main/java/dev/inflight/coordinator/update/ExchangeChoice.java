package dev.inflight.coordinator.update;

import dev.inflight.coordinator.fleet.FleetWorker;
import dev.inflight.protocol.cluster.Exchange;
import java.util.Collection;
import java.util.HashMap;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * How the members of an update exchange buckets, and why. A pure function of their reports.
 *
 * @param reason for people
 */
record ExchangeChoice(Exchange exchange, String reason) {
    private static final String SETTING = "inflight.coordinator.update.exchange is ";

    /**
     * @param reach how far owners would cast
     * @param restoring whether engines wait for this without weights: it then relies on no more than it must
     * @throws NotPossibleException if NCCL is set and impossible
     */
    static ExchangeChoice of(
            ExchangeSetting setting, Collection<FleetWorker> members, CastReach reach, boolean restoring)
            throws NotPossibleException {
        if (restoring) {
            return new ExchangeChoice(Exchange.TRANSFERS, "an update that restores weights needs nothing else");
        }
        return switch (setting) {
            case TRANSFERS -> new ExchangeChoice(Exchange.TRANSFERS, SETTING + "transfers");
            case NCCL -> forced(members);
            case AERON -> new ExchangeChoice(Exchange.AERON, SETTING + "aeron");
            case AUTO -> auto(members, reach);
        };
    }

    /** A join has one member, whatever is set. */
    static ExchangeChoice forJoin() {
        return new ExchangeChoice(Exchange.TRANSFERS, "a join takes shards from host stores");
    }

    /** Only transfers can be slowed, whatever is set. */
    static ExchangeChoice forLimited() {
        return new ExchangeChoice(Exchange.TRANSFERS, "bytes-per-second-per-host is kept to by transfers only");
    }

    /** Nobody sends anything, whatever is set. */
    static ExchangeChoice forStandby() {
        return new ExchangeChoice(Exchange.TRANSFERS, "nothing is sent");
    }

    /** NCCL was demanded. */
    static final class NotPossibleException extends Exception {
        private static final long serialVersionUID = 1L;

        private NotPossibleException(String obstacle) {
            super(SETTING + "nccl, but " + obstacle + "; set it to auto");
        }
    }

    private static ExchangeChoice forced(Collection<FleetWorker> members) throws NotPossibleException {
        String obstacle = obstacle(members);
        if (obstacle != null) {
            throw new NotPossibleException(obstacle);
        }
        return new ExchangeChoice(Exchange.NCCL, SETTING + "nccl");
    }

    private static ExchangeChoice auto(Collection<FleetWorker> members, CastReach reach) {
        long hosts = members.stream().map(FleetWorker::host).distinct().count();
        if (hosts == 1 && members.size() > 1) {
            return new ExchangeChoice(Exchange.TRANSFERS, "all workers are of one host");
        }
        String obstacle = obstacle(members);
        if (obstacle == null) {
            return new ExchangeChoice(
                    Exchange.NCCL,
                    members.size() + " workers on " + hosts + " hosts, each with a GPU of its own, have NCCL "
                            + version(members.iterator().next()));
        }
        return reach.pays()
                ? new ExchangeChoice(Exchange.AERON, reach.reason())
                : new ExchangeChoice(Exchange.TRANSFERS, obstacle);
    }

    /** Why these workers can not be the ranks of one communicator; null if they can. */
    private static @Nullable String obstacle(Collection<FleetWorker> members) {
        if (members.size() < 2) {
            return "only one worker takes part";
        }
        Map<String, String> devices = new HashMap<>();
        FleetWorker first = members.iterator().next();
        for (FleetWorker worker : members) {
            if (worker.state().nccl() == null) {
                return "worker " + worker.id() + " has no NCCL";
            }
            if (!Objects.equals(worker.state().nccl(), first.state().nccl())) {
                return "worker " + first.id() + " has NCCL " + version(first) + " and worker " + worker.id() + " has "
                        + version(worker);
            }
            String other = devices.put(worker.state().device(), worker.id());
            if (other != null) {
                return "workers " + other + " and " + worker.id() + " are on the same GPU";
            }
        }
        return null;
    }

    /** As NCCL prints it: 22803 is 2.28.3. */
    private static String version(FleetWorker worker) {
        int code = Objects.requireNonNullElse(worker.state().nccl(), 0);
        return String.format(Locale.ROOT, "%d.%d.%d", code / 10_000, code / 100 % 100, code % 100);
    }
}
