/** What this machine has and lacks for running Inflight. */
@NullMarked
package dev.inflight.cli.doctor;

import org.jspecify.annotations.NullMarked;
