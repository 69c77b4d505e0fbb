/** Certificates, keys and tokens that connections between processes are made with, and the files they come from. */
@NullMarked
package dev.inflight.protocol.tls;

import org.jspecify.annotations.NullMarked;
