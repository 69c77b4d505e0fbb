/** Clients that keep asking engines during an update and check every answer. */
@NullMarked
package dev.inflight.cli.load;

import org.jspecify.annotations.NullMarked;
