/** The product as a user runs it: the launcher, its output, its exit codes and what it leaves behind. */
@NullMarked
package dev.inflight.tests.e2e;

import org.jspecify.annotations.NullMarked;
