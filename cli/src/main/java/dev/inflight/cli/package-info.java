/** The {@code inflight} command: one class per command, each parses, calls and prints. */
@NullMarked
package dev.inflight.cli;

import org.jspecify.annotations.NullMarked;
