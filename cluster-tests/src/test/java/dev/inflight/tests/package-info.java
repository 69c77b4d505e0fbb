/** What the tests of whole clusters share. */
@NullMarked
package dev.inflight.tests;

import org.jspecify.annotations.NullMarked;
