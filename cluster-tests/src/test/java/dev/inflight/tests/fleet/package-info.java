/** A fleet for specs: nodes in JVMs of their own, engines as processes, and the trainer's view of both. */
@NullMarked
package dev.inflight.tests.fleet;

import org.jspecify.annotations.NullMarked;
