/** What log lines say beside their text. */
@NullMarked
package dev.inflight.protocol.log;

import org.jspecify.annotations.NullMarked;
