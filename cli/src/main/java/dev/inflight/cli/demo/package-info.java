/** A whole fleet of processes on this machine, and the scenario that updates it under load. */
@NullMarked
package dev.inflight.cli.demo;

import org.jspecify.annotations.NullMarked;
