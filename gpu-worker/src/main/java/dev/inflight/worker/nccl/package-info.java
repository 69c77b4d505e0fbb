/**
 * NCCL's broadcast between the GPUs of one group, called through {@code java.lang.foreign}: no Java library to ship, the
 * host's {@code libnccl.so.2} at full speed.
 *
 * <p>Everything is bounded. Communicators are non-blocking, so a call that needs a peer returns at once and is polled;
 * what is overdue is aborted. NCCL does not notice by itself that a peer on the same machine died while a kernel waits
 * for it: the stream just never ends. Whoever waits for a stream needs a deadline, and {@link
 * dev.inflight.worker.nccl.NcclCommunicator#abort} when it has passed.
 */
@NullMarked
package dev.inflight.worker.nccl;

import org.jspecify.annotations.NullMarked;
