/** Which bytes of a checkpoint move when, and from whom. Pure functions of their arguments. */
@NullMarked
package dev.inflight.protocol.plan;

import org.jspecify.annotations.NullMarked;
