/** What a person at a terminal types and sees: sizes, progress, tables. */
@NullMarked
package dev.inflight.cli.console;

import org.jspecify.annotations.NullMarked;
