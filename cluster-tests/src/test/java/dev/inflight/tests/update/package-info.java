/** Updates of a whole fleet, and deaths in the middle of them. */
@NullMarked
package dev.inflight.tests.update;

import org.jspecify.annotations.NullMarked;
