package dev.inflight.cli.demo;

import dev.inflight.cli.bench.CopyCeiling;
import dev.inflight.cli.bench.TcpCeiling;
import dev.inflight.cli.console.Progress;
import java.util.Map;

/** How the bytes come to an engine that joins on the machine where others have them. */
public enum JoinPath {
    /** Through a socket, as from another machine. */
    TCP("tcp", "off"),
    /** Out of the memory of the host that has them. */
    MAPPED("mapped", "on"),
    /** Out of the memory of its own host, which has them from its engine before. */
    OWN("own", "on");

    private final String name;
    private final String mapSharedMemory;

    JoinPath(String name, String mapSharedMemory) {
        this.name = name;
        this.mapSharedMemory = mapSharedMemory;
    }

    /** Settings of a worker host that joins. */
    Map<String, String> settings() {
        return Map.of("inflight.worker.peer.map-shared-memory", mapSharedMemory);
    }

    /** The most that can be brought that way beside what this machine does anyway just now, in 10^9 bytes per second. */
    double ceilingGBps(Progress progress) throws InterruptedException {
        return switch (this) {
            case TCP -> {
                progress.step("measuring the TCP ceiling");
                yield TcpCeiling.measureGBps();
            }
            case MAPPED, OWN -> {
                progress.step("measuring the copy ceiling");
                yield CopyCeiling.measureGBps();
            }
        };
    }

    @Override
    public String toString() {
        return name;
    }
}
