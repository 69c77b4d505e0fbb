/** Frames of the engine link, the Unix-socket protocol between a GPU worker and its engine. */
@NullMarked
package dev.inflight.protocol.link;

import org.jspecify.annotations.NullMarked;
