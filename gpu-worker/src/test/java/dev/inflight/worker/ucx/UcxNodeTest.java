package dev.inflight.worker.ucx;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.time.Duration;
import java.util.ArrayList;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(120)
class UcxNodeTest {
    private static final Duration PATIENT = Duration.ofSeconds(60);

    private UcxNode sender;
    private UcxNode receiver;

    @BeforeEach
    void start() {
        sender = TestUcx.start();
        receiver = TestUcx.start();
    }

    @AfterEach
    void stop() {
        if (receiver != null) {
            receiver.close();
            sender.close();
        }
    }

    @Test
    void messagesComeInOrderAndWhole() throws Exception {
        try (var inbox = receiver.inbox();
                var outbox = sender.outbox(receiver.address())) {
            var sent = new ArrayList<CompletableFuture<Void>>();
            for (int i = 0; i < UcxInbox.WINDOW; i++) {
                inbox.expect(UcxInbox.MESSAGE_BYTES - i);
                sent.add(outbox.send(filled(UcxInbox.MESSAGE_BYTES - i, i), inbox.firstTag() + i));
            }
            for (int i = 0; i < UcxInbox.WINDOW; i++) {
                assertThat(inbox.take(PATIENT).mismatch(filled(UcxInbox.MESSAGE_BYTES - i, i)))
                        .isEqualTo(-1);
                sent.get(i).get(60, TimeUnit.SECONDS);
            }
        }
    }

    @Test
    void aSenderThatIsShutLetsGoOfWhatNobodyTook() throws Exception {
        var outbox = sender.outbox(receiver.address());
        var sent = outbox.send(filled(UcxInbox.MESSAGE_BYTES, 1), 17);
        outbox.shut().get(60, TimeUnit.SECONDS);
        assertThat(sent).isDone();
        assertThatThrownBy(() -> outbox.send(filled(1, 1), 18).get(60, TimeUnit.SECONDS))
                .isInstanceOf(ExecutionException.class)
                .hasCauseInstanceOf(UcxException.class);
    }

    @Test
    void aMessageThatDoesNotComeIsNotWaitedForForEver() {
        try (var inbox = receiver.inbox()) {
            inbox.expect(1);
            assertThatThrownBy(() -> inbox.take(Duration.ofMillis(50)))
                    .isInstanceOf(UcxException.class)
                    .hasMessageContaining("did not come within 50 ms");
        }
    }

    @Test
    void theJvmKeepsItsSignals() {
        // Read through a page that is not there: the JVM turns SIGSEGV into an exception, UCX would end the process.
        int caught = 0;
        for (int i = 0; i < 200_000; i++) {
            try {
                caught += length(i % 1000 == 0 ? null : "x");
            } catch (NullPointerException expected) {
                caught++;
            }
        }
        assertThat(caught).isEqualTo(200_000);
    }

    private static int length(String text) {
        return text.length();
    }

    private static MemorySegment filled(int bytes, int value) {
        return Arena.ofAuto().allocate(bytes).fill((byte) value);
    }
}
