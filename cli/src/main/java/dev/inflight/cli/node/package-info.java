/** The runtime behind {@code inflight node}. */
@NullMarked
package dev.inflight.cli.node;

import org.jspecify.annotations.NullMarked;
