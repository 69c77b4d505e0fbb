/** What may depend on what. */
@NullMarked
package dev.inflight.tests.architecture;

import org.jspecify.annotations.NullMarked;
