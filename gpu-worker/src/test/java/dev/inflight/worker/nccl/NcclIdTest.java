package dev.inflight.worker.nccl;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.Arrays;
import org.junit.jupiter.api.Test;

class NcclIdTest {
    @Test
    void survivesItsHexForm() {
        byte[] bytes = new byte[NcclId.BYTES];
        for (int i = 0; i < bytes.length; i++) {
            bytes[i] = (byte) (i * 37);
        }
        NcclId id = NcclId.of(bytes);
        assertThat(new NcclId(id.hex())).isEqualTo(id).hasSameHashCodeAs(id);
        assertThat(id.bytes()).isEqualTo(bytes);
        bytes[127]++;
        assertThat(NcclId.of(bytes)).isNotEqualTo(id);
    }

    @Test
    void refusesWhatIsNoId() {
        assertThatThrownBy(() -> NcclId.of(Arrays.copyOf(new byte[1], 127)))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("254 characters");
        assertThatThrownBy(() -> new NcclId("zz".repeat(128))).isInstanceOf(IllegalArgumentException.class);
    }
}
