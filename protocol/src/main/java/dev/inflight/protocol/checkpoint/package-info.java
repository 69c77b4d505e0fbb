/** What a checkpoint is: tensors, files, manifest, digests. Pure data; file access lives in the gpu-worker module. */
@NullMarked
package dev.inflight.protocol.checkpoint;

import org.jspecify.annotations.NullMarked;
