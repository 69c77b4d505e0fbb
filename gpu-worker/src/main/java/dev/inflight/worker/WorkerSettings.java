package dev.inflight.worker;

import com.typesafe.config.Config;
import com.typesafe.config.ConfigException;
import dev.inflight.worker.aeron.AeronSettings;
import dev.inflight.worker.store.CheckpointRoots;
import dev.inflight.worker.store.LeaseSettings;
import dev.inflight.worker.transport.TransportChoice;
import java.net.InetSocketAddress;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * Configuration of a worker host, read from {@code inflight.worker} and checked when read; reference.conf documents
 * every setting with its unit and range.
 *
 * @param rack label of the rack this host is in; empty if nobody said
 * @param zone label of its zone; empty if nobody said
 * @param labels by which engines are selected
 * @param nice how far the process stands behind others that want the same processors, 0 to 19
 * @param traceDir where timelines of updates are written; null for nowhere
 * @param checkpointRoots where checkpoints may be read from
 * @param engineUsers names or ids of users, beside the own, whose engines may attach
 * @param device what buckets land on
 * @param gpus GPUs of the workers in order, by number or UUID; empty for the first ones
 * @param slotMemoryBytes most memory of one worker's slots
 * @param memoryFraction most of a GPU's free memory that one worker's slots may take
 * @param peerAdvertised {@code host:port} that other hosts are told of the peer server; null for where it listens
 * @param mapSharedMemory whether slots of other hosts on the same machine are mapped rather than copied
 * @param transport what moves bytes to and from other machines
 * @param aeron how buckets are cast
 * @param nccl whether NCCL is used where a worker has a GPU and the host the library
 * @param ncclTimeout longest wait for other ranks in NCCL
 * @param maxSourceBytesPerSecond most bytes that are sent in a second to joining hosts, in a lost owner's place and in
 *     limited updates, all together; 0 for no limit
 * @param joinConnections connections to each host that a join takes shards from
 * @param joinGather how long a join waits for others to begin, so that parts are cast to all; zero if none are cast
 * @param partTimeout longest time in which such a host is alive but nothing of what was asked for comes
 * @param storeThreads threads that load a checkpoint
 * @param warmBytes memory for shards that is made ready at start
 * @param leases how arenas are lent to trainers
 * @param metricsAddress where Prometheus finds this host; null if nowhere
 */
public record WorkerSettings(
        String name,
        String rack,
        String zone,
        EngineLabels labels,
        int workers,
        int nice,
        Path runDir,
        Path shmDir,
        CheckpointRoots checkpointRoots,
        List<String> engineUsers,
        @Nullable Path traceDir,
        DeviceKind device,
        List<String> gpus,
        long slotMemoryBytes,
        double memoryFraction,
        boolean warmSlots,
        String peerHost,
        int peerPort,
        @Nullable String peerAdvertised,
        Duration peerTimeout,
        boolean mapSharedMemory,
        TransportChoice.Setting transport,
        AeronSettings aeron,
        boolean nccl,
        Duration ncclTimeout,
        long maxSourceBytesPerSecond,
        int joinConnections,
        Duration joinGather,
        Duration partTimeout,
        int storeThreads,
        long warmBytes,
        Duration exchangeTimeout,
        LeaseSettings leases,
        Duration prepareTimeout,
        Duration engineTimeout,
        Duration abortTimeout,
        Duration orphanTimeout,
        Duration leaveTimeout,
        @Nullable InetSocketAddress metricsAddress) {

    /** 224.0.0.0 to 239.255.255.255; Aeron takes the next address for what receivers say. */
    private static final Pattern MULTICAST =
            Pattern.compile("2(2[4-9]|3[0-9])(\\.[0-9]{1,3}){2}\\.[0-9]{0,2}[13579]:[0-9]{1,5}");

    private static final Pattern ADVERTISED = Pattern.compile("(\\[[0-9A-Fa-f:.]+]|[^\\s:\\[\\]]+):[1-9][0-9]{0,4}");

    /** Nothing comes meanwhile, and stall timeouts run. */
    private static final Duration LONGEST_GATHER = Duration.ofSeconds(5);

    private static final Pattern PORTS = Pattern.compile("[0-9]{1,5} [0-9]{1,5}");

    /** What buckets land on. */
    public enum DeviceKind {
        HOST,
        CUDA
    }

    /** @throws ConfigException naming the setting that is missing or out of range */
    public static WorkerSettings from(Config root) {
        var config = root.getConfig("inflight.worker");
        int threads = inRange(config, "store.threads", 0, 64);
        return new WorkerSettings(
                config.getString("name"),
                config.getString("rack"),
                config.getString("zone"),
                EngineLabels.from(config),
                inRange(config, "workers", 1, 64),
                inRange(config, "nice", 0, 19),
                Path.of(config.getString("run-dir")),
                Path.of(config.getString("shm-dir")),
                checkpointRoots(config),
                config.getStringList("engine-users"),
                config.getString("trace-dir").isEmpty() ? null : Path.of(config.getString("trace-dir")),
                deviceKind(config),
                config.getStringList("gpus"),
                atLeastOneMiB(config, "slot-memory"),
                fraction(config, "memory-fraction"),
                config.getBoolean("warm-slots"),
                config.getString("peer.host"),
                inRange(config, "peer.port", 0, 65535),
                advertised(config),
                config.getDuration("peer.timeout"),
                config.getBoolean("peer.map-shared-memory"),
                transport(config),
                aeron(config),
                nccl(config),
                config.getDuration("nccl-timeout"),
                config.getBytes("peer.max-source-bytes-per-second"),
                inRange(config, "join.connections", 1, 16),
                gather(config),
                config.getDuration("join.part-timeout"),
                threads == 0 ? Runtime.getRuntime().availableProcessors() : threads,
                config.getBytes("store.warm-bytes"),
                config.getDuration("store.exchange-timeout"),
                new LeaseSettings(config.getDuration("store.lease-timeout"), config.getBytes("store.most-lent-bytes")),
                config.getDuration("prepare-timeout"),
                config.getDuration("engine-timeout"),
                config.getDuration("abort-timeout"),
                config.getDuration("orphan-timeout"),
                config.getDuration("leave-timeout"),
                metricsAddress(config));
    }

    private static int inRange(Config config, String path, int least, int most) {
        int value = config.getInt(path);
        if (value < least || value > most) {
            throw new ConfigException.BadValue(
                    config.origin(), "inflight.worker." + path, value + " is not in " + least + " to " + most);
        }
        return value;
    }

    private static @Nullable InetSocketAddress metricsAddress(Config config) {
        var host = config.getString("metrics.host");
        int port = inRange(config, "metrics.port", 0, 65535);
        return host.isEmpty() ? null : new InetSocketAddress(host, port);
    }

    private static CheckpointRoots checkpointRoots(Config config) {
        String path = "checkpoint-roots";
        var roots = config.getStringList(path);
        if (roots.isEmpty()) {
            throw new ConfigException.BadValue(
                    config.getValue(path).origin(),
                    "inflight.worker." + path,
                    "is empty: name the directories that checkpoints are published from (profile cluster: set"
                            + " INFLIGHT_CHECKPOINTS to one)");
        }
        try {
            return new CheckpointRoots(roots.stream().map(Path::of).toList());
        } catch (IllegalArgumentException e) {
            throw new ConfigException.BadValue(
                    config.getValue(path).origin(), "inflight.worker." + path, String.valueOf(e.getMessage()));
        }
    }

    private static DeviceKind deviceKind(Config config) {
        var value = config.getString("device");
        return switch (value) {
            case "host" -> DeviceKind.HOST;
            case "cuda" -> DeviceKind.CUDA;
            default ->
                throw new ConfigException.BadValue(
                        config.origin(), "inflight.worker.device", "\"" + value + "\" is neither host nor cuda");
        };
    }

    private static @Nullable String advertised(Config config) {
        var value = config.getString("peer.advertised");
        if (value.isEmpty()) {
            return null;
        }
        if (!ADVERTISED.matcher(value).matches()) {
            throw refuse(config, "peer.advertised", "\"" + value + "\" is not host:port");
        }
        return value;
    }

    private static TransportChoice.Setting transport(Config config) {
        var value = config.getString("peer.transport");
        return switch (value) {
            case "auto" -> TransportChoice.Setting.AUTO;
            case "tcp" -> TransportChoice.Setting.TCP;
            case "ucx" -> TransportChoice.Setting.UCX;
            default -> throw refuse(config, "peer.transport", "\"" + value + "\" is neither auto, tcp nor ucx");
        };
    }

    private static AeronSettings aeron(Config config) {
        var result = new AeronSettings(
                config.getString("peer.host"),
                config.getString("aeron.multicast"),
                inRange(config, "aeron.multicast-ttl", 1, 255),
                config.getString("aeron.ports"),
                bytesInRange(config, "aeron.mtu", 1408, 65504),
                bytesInRange(config, "aeron.term-length", 1 << 16, 1 << 30),
                bytesInRange(config, "aeron.socket-buffer", 1 << 17, 1 << 30),
                config.getDuration("aeron.receiver-timeout"),
                config.getDuration("peer.timeout"));
        if (!result.multicast().isEmpty()
                && !MULTICAST.matcher(result.multicast()).matches()) {
            throw refuse(
                    config,
                    "aeron.multicast",
                    "\"" + result.multicast()
                            + "\" is not group:port with an IPv4 multicast group whose last byte is odd");
        }
        if (!result.ports().isEmpty() && !PORTS.matcher(result.ports()).matches()) {
            throw refuse(config, "aeron.ports", "\"" + result.ports() + "\" is not two port numbers, \"low high\"");
        }
        if (result.mtuBytes() % 32 != 0) {
            throw refuse(config, "aeron.mtu", result.mtuBytes() + " is not a multiple of 32");
        }
        if (Integer.bitCount(result.termBytes()) != 1) {
            throw refuse(config, "aeron.term-length", result.termBytes() + " is not a power of two");
        }
        return result;
    }

    private static Duration gather(Config config) {
        var gather = config.getDuration("join.gather");
        if (gather.isNegative() || gather.compareTo(LONGEST_GATHER) > 0) {
            throw refuse(config, "join.gather", gather.toMillis() + " ms are not in 0 to 5 s");
        }
        return config.getString("aeron.multicast").isEmpty() ? Duration.ZERO : gather;
    }

    private static int bytesInRange(Config config, String path, int least, int most) {
        long value = config.getBytes(path);
        if (value < least || value > most) {
            throw refuse(config, path, value + " bytes are not in " + least + " to " + most);
        }
        return (int) value;
    }

    private static ConfigException refuse(Config config, String path, String reason) {
        return new ConfigException.BadValue(config.origin(), "inflight.worker." + path, reason);
    }

    private static boolean nccl(Config config) {
        var value = config.getString("nccl");
        return switch (value) {
            case "auto" -> true;
            case "off" -> false;
            default ->
                throw new ConfigException.BadValue(
                        config.origin(), "inflight.worker.nccl", "\"" + value + "\" is neither auto nor off");
        };
    }

    private static double fraction(Config config, String path) {
        double value = config.getDouble(path);
        if (!(value > 0 && value <= 1)) {
            throw new ConfigException.BadValue(
                    config.origin(), "inflight.worker." + path, value + " is not above 0 and at most 1");
        }
        return value;
    }

    private static long atLeastOneMiB(Config config, String path) {
        long bytes = config.getBytes(path);
        if (bytes < 1 << 20) {
            throw new ConfigException.BadValue(
                    config.origin(), "inflight.worker." + path, bytes + " bytes are less than 1 MiB");
        }
        return bytes;
    }

    /** Id of the worker with this index on this host. */
    public String workerId(int index) {
        return name + "/" + index;
    }

    /** Engine-link socket of the worker with this index. */
    public Path socket(int index) {
        return runDir.resolve(name + "-" + index + ".sock");
    }
}
