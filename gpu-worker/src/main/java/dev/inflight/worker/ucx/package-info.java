/**
 * Bytes between hosts by UCX, which picks the way itself: RDMA where both hosts have it, else TCP. Called through JUCX,
 * whose jar holds a stub only; {@code libucp.so.0} is the host's.
 *
 * <p>A sender sends tagged messages to the address of a receiver's {@link dev.inflight.worker.ucx.UcxNode}; no address
 * in anybody's memory crosses the wire. With peer error handling on, the death of either side ends every operation of
 * the other with an error; UCX then does not use shared memory, which peers on one machine map anyway.
 *
 * <p>All calls into UCX are made by one thread for each node. Bytes arrive in buffers that belong to the node, never in
 * memory that its callers might give back while UCX still writes there.
 */
@NullMarked
package dev.inflight.worker.ucx;

import org.jspecify.annotations.NullMarked;
