/** What the command line itself asks and measures of this machine's GPUs. */
@NullMarked
package dev.inflight.cli.gpu;

import org.jspecify.annotations.NullMarked;
