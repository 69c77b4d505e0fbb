package dev.inflight.cli.console;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.LongRange;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class ByteSizeTest {
    @ParameterizedTest
    @CsvSource({
        "512, 512",
        "1b, 1",
        "256MiB, 268435456",
        "256 mib, 268435456",
        "1GiB, 1073741824",
        "1.5GiB, 1610612736",
        "2GB, 2000000000",
        "10kb, 10000",
        "1TiB, 1099511627776"
    })
    void readsSizesWithUnits(String text, long bytes) {
        assertThat(ByteSize.parse(text)).isEqualTo(bytes);
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "MiB", "-1GiB", "1.2.3GB", "12XB", "1 Gi B", "0.3B", "99999999TiB"})
    void refusesWhatIsNoSizeAndShowsAnExample(String text) {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> ByteSize.parse(text))
                .withMessageContaining("\"" + text + "\"")
                .withMessageContaining("MiB");
    }

    @Property
    void readsWholeMebibytesBack(@ForAll @LongRange(min = 0, max = 1 << 20) long mebibytes) {
        assertThat(ByteSize.parse(mebibytes + "MiB")).isEqualTo(mebibytes << 20);
    }

    @Test
    void showsThreeDigitsInBinaryUnits() {
        assertThat(ByteSize.format(0)).isEqualTo("0 B");
        assertThat(ByteSize.format(256L << 20)).isEqualTo("256 MiB");
        assertThat(ByteSize.format(3L << 29)).isEqualTo("1.50 GiB");
    }
}
