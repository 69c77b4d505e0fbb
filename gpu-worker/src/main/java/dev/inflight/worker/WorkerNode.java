package dev.inflight.worker;

import akka.Done;
import akka.actor.CoordinatedShutdown;
import akka.actor.typed.ActorSystem;
import akka.actor.typed.Props;
import com.typesafe.config.ConfigException;
import dev.inflight.protocol.plan.Place;
import dev.inflight.worker.aeron.AeronNode;
import dev.inflight.worker.cast.PartCasts;
import dev.inflight.worker.device.CudaDevice;
import dev.inflight.worker.device.Device;
import dev.inflight.worker.device.Devices;
import dev.inflight.worker.device.ShmNames;
import dev.inflight.worker.link.EngineLink;
import dev.inflight.worker.link.EngineUsers;
import dev.inflight.worker.link.RunDirectory;
import dev.inflight.worker.metrics.MetricsServer;
import dev.inflight.worker.metrics.WorkerMetrics;
import dev.inflight.worker.nccl.Communicators;
import dev.inflight.worker.nccl.NcclLibrary;
import dev.inflight.worker.nccl.Rendezvous;
import dev.inflight.worker.store.HostStore;
import dev.inflight.worker.transport.MachineIdentity;
import dev.inflight.worker.transport.PeerServer;
import dev.inflight.worker.transport.RateLimit;
import dev.inflight.worker.transport.TransportChoice;
import dev.inflight.worker.ucx.UcxException;
import dev.inflight.worker.ucx.UcxNode;
import dev.inflight.worker.update.HostPeerService;
import dev.inflight.worker.update.JoinSettings;
import dev.inflight.worker.update.Peers;
import dev.inflight.worker.update.Plans;
import dev.inflight.worker.update.ShardTaking;
import dev.inflight.worker.update.Traces;
import dev.inflight.worker.update.TransferHub;
import dev.inflight.worker.update.UpdateContext;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetSocketAddress;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Everything that runs on a worker host. Its actors live and die with the actor system. */
public final class WorkerNode {
    private static final Logger LOG = LoggerFactory.getLogger(WorkerNode.class);

    private WorkerNode() {}

    /**
     * @param endpoint {@code address:port} of the peer server
     * @param sockets engine-link socket by worker id
     */
    public record Started(String endpoint, Map<String, Path> sockets) {}

    /**
     * Starts store, peer server and workers on a node of the cluster.
     *
     * @throws UncheckedIOException if a directory, a port or shared memory can not be taken
     */
    public static Started start(ActorSystem<?> system, WorkerSettings settings) {
        var names = new ShmNames(settings.shmDir(), settings.name());
        names.sweep();
        var devices = devices(settings, names);
        var store = new HostStore(
                settings.name(),
                names,
                devices.pinning(),
                settings.checkpointRoots(),
                settings.storeThreads(),
                settings.exchangeTimeout(),
                settings.peerTimeout(),
                settings.leases());
        var nccl = settings.nccl() && settings.device() == WorkerSettings.DeviceKind.CUDA
                ? NcclLibrary.loadIfUsable().orElse(null)
                : null;
        var communicators = new ArrayList<Communicators>();
        var ucx = ucx(settings);
        var aeron = new AeronNode(names.fresh("aeron"), settings.aeron());
        var partLimit = new RateLimit(settings.maxSourceBytesPerSecond());
        var casts = settings.joinGather().isZero()
                ? null
                : new PartCasts(store.forPeers(), aeron, partLimit, settings.partTimeout());
        try {
            store.warm(settings.warmBytes());
            RunDirectory.prepare(settings.runDir());
            var machine = machine(settings);
            var joins = new JoinSettings(
                    sharedMemory(settings),
                    settings.joinConnections(),
                    ucx,
                    settings.partTimeout(),
                    settings.checkpointRoots(),
                    casts == null ? null : new JoinSettings.Casts(aeron, settings.joinGather()));
            var place = new Place(
                    joins.machine(),
                    settings.rack(),
                    settings.zone(),
                    settings.aeron().multicast());
            var hub = new TransferHub(machine, settings.prepareTimeout());
            var server = PeerServer.start(
                    new InetSocketAddress(settings.peerHost(), settings.peerPort()),
                    settings.name(),
                    new HostPeerService(
                            store.forPeers(),
                            hub,
                            joins,
                            nccl == null ? null : new Rendezvous(nccl::newId, settings.prepareTimeout()),
                            casts),
                    settings.peerTimeout(),
                    partLimit,
                    ucx);
            var endpoint = Objects.requireNonNullElse(settings.peerAdvertised(), server.endpoint());
            var metrics = metrics(system, settings, store, server);
            closeAtShutdown(system, server, communicators, ucx, casts, aeron, devices, store);
            var departure = departure(system, settings);
            var taking = new ShardTaking(settings.name(), place, store, joins, settings.peerTimeout());
            var children = new ArrayList<WorkerHost.Child>();
            children.add(new WorkerHost.Child(
                    "host-store",
                    HostStoreActor.create(
                            settings.name(),
                            endpoint,
                            place,
                            store,
                            taking,
                            departure,
                            settings.maxSourceBytesPerSecond())));
            var sockets = new LinkedHashMap<String, Path>();
            var users = EngineUsers.of(settings.engineUsers());
            var plans = new Plans();
            for (int index = 0; index < settings.workers(); index++) {
                var device = devices.devices().get(index);
                if (settings.warmSlots()) {
                    device.warm();
                }
                var own = communicators(nccl, device, settings);
                own.ifPresent(communicators::add);
                var update = new UpdateContext(
                        settings.workerId(index),
                        store,
                        device,
                        hub,
                        new Peers(endpoint, hub, machine, settings.peerTimeout(), ucx, aeron),
                        joins,
                        new Traces(settings.traceDir()),
                        settings.engineTimeout(),
                        settings.abortTimeout(),
                        own.orElse(null),
                        plans);
                EngineLink.requireFree(settings.socket(index));
                children.add(new WorkerHost.Child(
                        "gpu-worker-" + index,
                        GpuWorker.create(
                                settings.name(),
                                settings.labels(),
                                settings.socket(index),
                                users,
                                settings.orphanTimeout(),
                                update,
                                metrics)));
                sockets.put(settings.workerId(index), settings.socket(index));
            }
            system.systemActorOf(WorkerHost.create(children), "worker-host", Props.empty());
            return new Started(endpoint, sockets);
        } catch (IOException e) {
            throw new UncheckedIOException("worker host " + settings.name() + ": " + e.getMessage(), e);
        }
    }

    /** Shown to Prometheus where the settings say, if they do. */
    private static WorkerMetrics metrics(
            ActorSystem<?> system, WorkerSettings settings, HostStore store, PeerServer peers) throws IOException {
        var metrics = new WorkerMetrics();
        metrics.showStore(store::heldBytes, store::freeBytes);
        metrics.showDamage(store.damage()::found, store.damage()::mended);
        metrics.showPeers(peers::sentBytes, peers::connections);
        if (settings.metricsAddress() != null) {
            var server = MetricsServer.start(settings.metricsAddress(), metrics::text);
            LOG.info(
                    "metrics are at port {} of {}",
                    server.address().getPort(),
                    settings.metricsAddress().getHostString());
            CoordinatedShutdown.get(system)
                    .addTask(CoordinatedShutdown.PhaseBeforeActorSystemTerminate(), "close-metrics", () -> {
                        server.close();
                        return CompletableFuture.completedFuture(Done.getInstance());
                    });
        }
        return metrics;
    }

    /** UCX is loaded where it is demanded, or might find something that is faster than TCP. */
    private static @Nullable UcxNode ucx(WorkerSettings settings) {
        UcxNode ucx = null;
        TransportChoice.Ucx known = new TransportChoice.Ucx.Missing("there is no RDMA device");
        if (settings.transport() == TransportChoice.Setting.UCX
                || (settings.transport() == TransportChoice.Setting.AUTO && hasRdmaDevices())) {
            try {
                ucx = UcxNode.start();
                known = new TransportChoice.Ucx.Found(ucx.devices());
            } catch (UcxException e) {
                known = new TransportChoice.Ucx.Missing(String.valueOf(e.getMessage()));
            }
        }
        try {
            var choice = TransportChoice.of(settings.transport(), known);
            LOG.info("bytes go to other machines by {}: {}", choice.ucx() ? "UCX" : "TCP", choice.reason());
            if (ucx != null && !choice.ucx()) {
                ucx.close();
            }
            return choice.ucx() ? ucx : null;
        } catch (IllegalArgumentException e) {
            throw new ConfigException.BadValue("inflight.worker.peer.transport", String.valueOf(e.getMessage()), e);
        }
    }

    private static boolean hasRdmaDevices() {
        var devices = Path.of("/sys/class/infiniband").toFile().list();
        return devices != null && devices.length > 0;
    }

    private static Devices devices(WorkerSettings settings, ShmNames names) {
        return switch (settings.device()) {
            case HOST -> Devices.host(settings.workers(), names, settings.slotMemoryBytes());
            case CUDA ->
                Devices.cuda(
                        settings.workers(),
                        settings.gpus(),
                        names,
                        settings.slotMemoryBytes(),
                        settings.memoryFraction());
        };
    }

    private static Optional<Communicators> communicators(
            @Nullable NcclLibrary nccl, Device device, WorkerSettings settings) {
        return nccl != null && device instanceof CudaDevice gpu
                ? Optional.of(new Communicators(nccl, gpu.context()::makeCurrent, settings.ncclTimeout()))
                : Optional.empty();
    }

    /** Identity of the host store's memory, whatever the device is; empty if others shall not map it. */
    private static String sharedMemory(WorkerSettings settings) throws IOException {
        return settings.mapSharedMemory() ? MachineIdentity.local() : "";
    }

    /** GPU memory is shared within this process only. */
    private static String machine(WorkerSettings settings) throws IOException {
        return settings.mapSharedMemory() && settings.device() == WorkerSettings.DeviceKind.HOST
                ? MachineIdentity.local()
                : MachineIdentity.unshared();
    }

    /** A host that stops in order first lets the coordinator bring elsewhere what this host alone holds. */
    private static Departure departure(ActorSystem<?> system, WorkerSettings settings) {
        var departure = new Departure();
        CoordinatedShutdown.get(system)
                .addTask(
                        CoordinatedShutdown.PhaseBeforeServiceUnbind(),
                        "hand-over-shards",
                        () -> departure
                                .begin()
                                .toCompletableFuture()
                                .completeOnTimeout(
                                        Done.getInstance(),
                                        settings.leaveTimeout().toMillis(),
                                        TimeUnit.MILLISECONDS));
        return departure;
    }

    /** @param communicators closed as they are then */
    private static void closeAtShutdown(
            ActorSystem<?> system,
            PeerServer server,
            List<Communicators> communicators,
            @Nullable UcxNode ucx,
            @Nullable PartCasts casts,
            AeronNode aeron,
            Devices devices,
            HostStore store) {
        CoordinatedShutdown.get(system)
                .addTask(CoordinatedShutdown.PhaseActorSystemTerminate(), "free-host-memory", () -> {
                    server.close();
                    communicators.forEach(Communicators::close);
                    if (casts != null) {
                        casts.close();
                    }
                    aeron.close();
                    if (ucx != null) {
                        ucx.close();
                    }
                    store.close();
                    devices.close();
                    return CompletableFuture.completedFuture(Done.getInstance());
                });
    }
}
