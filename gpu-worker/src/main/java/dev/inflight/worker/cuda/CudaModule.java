package dev.inflight.worker.cuda;

import static jcuda.driver.JCudaDriver.cuModuleGetFunction;
import static jcuda.driver.JCudaDriver.cuModuleLoadData;
import static jcuda.driver.JCudaDriver.cuModuleUnload;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.Arrays;
import jcuda.driver.CUfunction;
import jcuda.driver.CUmodule;
import jcuda.driver.CUresult;

/** PTX from a resource of this package, compiled by the driver for one GPU. {@link CudaContext} has the thread rules. */
final class CudaModule implements AutoCloseable {
    private final CudaContext context;
    private final String resource;
    private final CUmodule module;

    private CudaModule(CudaContext context, String resource, CUmodule module) {
        this.context = context;
        this.resource = resource;
        this.module = module;
    }

    /** @throws CudaException with the compiler's log if the driver does not take the PTX */
    static CudaModule load(CudaContext context, String resource) {
        byte[] ptx = read(resource);
        // The driver takes text that ends with a zero.
        byte[] image = Arrays.copyOf(ptx, ptx.length + 1);
        var handle = new CUmodule();
        context.makeCurrent();
        int result = cuModuleLoadData(handle, image);
        if (result != CUresult.CUDA_SUCCESS) {
            context.check("cuModuleLoadData of " + resource + " (" + JitLog.of(image) + ")", result);
        }
        var module = new CudaModule(context, resource, handle);
        context.take(module);
        return module;
    }

    static byte[] read(String resource) {
        try (var stream = CudaModule.class.getResourceAsStream(resource)) {
            if (stream == null) {
                throw new IllegalStateException(
                        "there is no resource " + resource + " beside " + CudaModule.class.getName());
            }
            return stream.readAllBytes();
        } catch (IOException e) {
            throw new UncheckedIOException("can not read the resource " + resource, e);
        }
    }

    CUfunction function(String name) {
        context.requireTaken(this);
        var function = new CUfunction();
        context.makeCurrent();
        context.check("cuModuleGetFunction " + name + " of " + resource, cuModuleGetFunction(function, module, name));
        return function;
    }

    /** Must come after the last kernel of it is done. */
    @Override
    public void close() {
        if (context.giveBack(this)) {
            context.makeCurrent();
            context.check("cuModuleUnload of " + resource, cuModuleUnload(module));
        }
    }

    @Override
    public String toString() {
        return "module " + resource + " on " + context.gpu().label();
    }
}
