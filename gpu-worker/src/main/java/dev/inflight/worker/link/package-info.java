/** The worker's side of the engine link: one Unix socket per GPU worker, one engine at a time. */
@NullMarked
package dev.inflight.worker.link;

import org.jspecify.annotations.NullMarked;
