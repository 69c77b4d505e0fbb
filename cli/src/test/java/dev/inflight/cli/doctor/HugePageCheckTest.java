package dev.inflight.cli.doctor;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class HugePageCheckTest {
    private static final String KERNEL = "always within_size advise [never] deny force\n";
    private static final String OTHERS = """
            proc /proc proc rw,relatime 0 0
            tmpfs /dev/shm/other tmpfs rw,huge=always 0 0
            """;

    @Test
    void aMountWithoutTheOptionHasNone() {
        Check check = HugePageCheck.of(OTHERS + "tmpfs /dev/shm tmpfs rw,relatime,size=24684096k 0 0\n", KERNEL);
        assertThat(check.level()).isEqualTo(Check.Level.WARN);
        assertThat(check.advice()).contains("huge=advise /dev/shm");
    }

    @Test
    void theLastMountCounts() {
        String mounts = "tmpfs /dev/shm tmpfs rw,huge=never 0 0\n" + OTHERS
                + "shm /dev/shm tmpfs rw,huge=advise,size=64k 0 0\n";
        assertThat(HugePageCheck.of(mounts, KERNEL)).isEqualTo(Check.ok("huge pages", "/dev/shm: huge=advise"));
    }

    @Test
    void theKernelMayDenyThem() {
        String mounts = "tmpfs /dev/shm tmpfs rw,huge=advise 0 0\n";
        Check check = HugePageCheck.of(mounts, "always within_size advise never [deny] force\n");
        assertThat(check.level()).isEqualTo(Check.Level.WARN);
        assertThat(check.found()).isEqualTo("denied by the kernel");
    }

    @Test
    void theKernelMayForceThem() {
        Check check = HugePageCheck.of("", "always within_size advise never deny [force]\n");
        assertThat(check.level()).isEqualTo(Check.Level.OK);
    }
}
