/**
 * An inference engine without a model: it holds a checkpoint's tensors in host memory, takes updates over the engine
 * link in both modes and answers requests with a digest of its weights, so that a mixture of versions would show.
 */
@NullMarked
package dev.inflight.engine;

import org.jspecify.annotations.NullMarked;
