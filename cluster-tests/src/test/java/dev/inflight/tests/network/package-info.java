/** Fleets whose hosts have networks of their own, with links that are slow or gone. */
@NullMarked
package dev.inflight.tests.network;

import org.jspecify.annotations.NullMarked;
