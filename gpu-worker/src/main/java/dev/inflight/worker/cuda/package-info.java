/** NVIDIA GPUs through the CUDA driver: devices, memory, streams and events, every call checked. */
@NullMarked
package dev.inflight.worker.cuda;

import org.jspecify.annotations.NullMarked;
