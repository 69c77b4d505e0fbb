/** One JVM per host: the host's store, its GPU workers and their engines. */
@NullMarked
package dev.inflight.worker;

import org.jspecify.annotations.NullMarked;
