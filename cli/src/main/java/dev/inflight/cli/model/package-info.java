/** Tensor lists of real models, made from their public configurations, and checkpoints with made-up contents. */
@NullMarked
package dev.inflight.cli.model;

import org.jspecify.annotations.NullMarked;
