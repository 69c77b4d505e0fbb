/** Client of the coordinator's HTTP API. */
@NullMarked
package dev.inflight.cli.client;

import org.jspecify.annotations.NullMarked;
