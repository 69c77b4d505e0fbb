/** End-to-end benchmarks; each prints its result as one JSON line, last. */
@NullMarked
package dev.inflight.benchmarks;

import org.jspecify.annotations.NullMarked;
