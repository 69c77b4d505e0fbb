package dev.inflight.worker.cuda;

import jcuda.driver.CUresult;
import jcuda.driver.JCudaDriver;

/**
 * A call of the CUDA driver failed. The message names the call, the GPU, and the error's name, number and description.
 * An asynchronous error (of a copy, say) is reported by whichever call comes next.
 */
public class CudaException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    CudaException(String message) {
        super(message);
    }

    CudaException(String message, Throwable cause) {
        super(message, cause);
    }

    /** @param where what the call was about: a GPU's label, or "the driver" */
    static void check(String call, String where, int result) {
        if (result != CUresult.CUDA_SUCCESS) {
            throw new CudaException(call + " on " + where + ": " + describe(result));
        }
    }

    /** For example {@code CUDA_ERROR_INVALID_VALUE (1): invalid argument}. */
    static String describe(int result) {
        String[] name = new String[1];
        String[] description = new String[1];
        if (JCudaDriver.cuGetErrorName(result, name) != CUresult.CUDA_SUCCESS
                || JCudaDriver.cuGetErrorString(result, description) != CUresult.CUDA_SUCCESS) {
            return "error " + result + ", which this driver has no name for";
        }
        return name[0] + " (" + result + "): " + description[0];
    }
}
