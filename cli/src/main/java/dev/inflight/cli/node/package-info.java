/** A node of the cluster: coordinator, worker host or both in one process. */
@NullMarked
package dev.inflight.cli.node;

import org.jspecify.annotations.NullMarked;
