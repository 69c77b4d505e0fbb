/** Benchmarks of updates and plans. */
@NullMarked
package dev.inflight.cli.bench;

import org.jspecify.annotations.NullMarked;
