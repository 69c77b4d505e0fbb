package dev.inflight.worker.ucx;

import java.util.List;
import java.util.regex.Pattern;

/**
 * What UCX can move bytes with on this host.
 *
 * @param names transports with their devices, such as {@code tcp/eth0} or {@code rc_mlx5/mlx5_0:1}
 */
public record UcxDevices(List<String> names) {
    private static final Pattern RESOURCE = Pattern.compile("flags -\\S* (\\S+/\\S+)");
    private static final Pattern RDMA = Pattern.compile("(rc|dc|ud|srd)(_\\w+)?/.+");

    public UcxDevices {
        names = List.copyOf(names);
    }

    /** @param info as {@code ucp_context_print_info} prints it */
    static UcxDevices parse(String info) {
        return new UcxDevices(RESOURCE.matcher(info)
                .results()
                .map(match -> match.group(1))
                .distinct()
                .toList());
    }

    /** Those that read and write the other host's memory in hardware. */
    public List<String> rdma() {
        return names.stream().filter(name -> RDMA.matcher(name).matches()).toList();
    }
}
