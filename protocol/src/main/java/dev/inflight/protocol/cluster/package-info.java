/** Messages that cross Akka remoting between coordinator and worker hosts. */
@NullMarked
package dev.inflight.protocol.cluster;

import org.jspecify.annotations.NullMarked;
