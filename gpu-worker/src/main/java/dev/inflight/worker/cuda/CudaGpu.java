package dev.inflight.worker.cuda;

import static jcuda.driver.JCudaDriver.cuDeviceGet;
import static jcuda.driver.JCudaDriver.cuDeviceGetName;
import static jcuda.driver.JCudaDriver.cuDeviceGetPCIBusId;
import static jcuda.driver.JCudaDriver.cuDeviceGetUuid;
import static jcuda.driver.JCudaDriver.cuDeviceTotalMem;

import java.nio.charset.StandardCharsets;
import java.util.HexFormat;
import jcuda.driver.CUdevice;
import jcuda.driver.CUuuid;

/**
 * A GPU as CUDA shows it to this process.
 *
 * @param ordinal its number in this process; another process may count differently
 * @param name product name, such as {@code NVIDIA H100 80GB HBM3}
 * @param uuid the same in all processes, as nvidia-smi prints it: {@code GPU-} and 8-4-4-4-12 lower-case hex digits
 * @param pciBusId such as {@code 0000:1B:00.0}
 * @param totalBytes its memory
 */
public record CudaGpu(int ordinal, String name, String uuid, String pciBusId, long totalBytes) {
    private static final int NAME_BYTES = 256;
    private static final int BUS_ID_BYTES = 32;

    /** Retains the GPU's primary context, which other CUDA libraries of this process share. */
    public CudaContext open() {
        return CudaContext.retain(this);
    }

    static CudaGpu read(int ordinal) {
        var where = "GPU " + ordinal;
        var device = device(ordinal, where);
        byte[] name = new byte[NAME_BYTES];
        CudaException.check("cuDeviceGetName", where, cuDeviceGetName(name, name.length, device));
        var uuid = new CUuuid();
        CudaException.check("cuDeviceGetUuid", where, cuDeviceGetUuid(uuid, device));
        String[] busId = new String[1];
        CudaException.check("cuDeviceGetPCIBusId", where, cuDeviceGetPCIBusId(busId, BUS_ID_BYTES, device));
        long[] total = new long[1];
        CudaException.check("cuDeviceTotalMem", where, cuDeviceTotalMem(total, device));
        return new CudaGpu(ordinal, untilZero(name), formatUuid(uuid.bytes), untilZero(busId[0]), total[0]);
    }

    static CUdevice device(int ordinal, String where) {
        var device = new CUdevice();
        CudaException.check("cuDeviceGet", where, cuDeviceGet(device, ordinal));
        return device;
    }

    /** @param bytes the 16 bytes of a CUuuid */
    static String formatUuid(byte[] bytes) {
        if (bytes.length != 16) {
            throw new IllegalArgumentException("a GPU's UUID has 16 bytes, not " + bytes.length);
        }
        var hex = HexFormat.of().formatHex(bytes);
        return "GPU-" + hex.substring(0, 8) + "-" + hex.substring(8, 12) + "-" + hex.substring(12, 16) + "-"
                + hex.substring(16, 20) + "-" + hex.substring(20);
    }

    private static String untilZero(byte[] text) {
        return untilZero(new String(text, StandardCharsets.UTF_8));
    }

    private static String untilZero(String text) {
        int end = text.indexOf('\0');
        return (end < 0 ? text : text.substring(0, end)).trim();
    }

    /** For messages. */
    String label() {
        return "GPU " + ordinal + " (" + name + ", " + uuid + ")";
    }
}
