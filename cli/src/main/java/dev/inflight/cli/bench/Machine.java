package dev.inflight.cli.bench;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** What recorded numbers must be read with: which machine they are of. */
final class Machine {
    private static final Pattern MODEL = Pattern.compile("(?m)^model name\\s*:\\s*(.+)$");

    private Machine() {}

    /** Processors that this process may use. */
    static int processors() {
        return Runtime.getRuntime().availableProcessors();
    }

    /** The CPU's model name; its architecture where the kernel does not tell a name, as on ARM. */
    static String cpuModel() {
        return cpuModel(Path.of("/proc/cpuinfo"));
    }

    static String cpuModel(Path cpuinfo) {
        String unnamed = "unnamed " + System.getProperty("os.arch");
        try {
            Matcher model = MODEL.matcher(Files.readString(cpuinfo));
            return model.find() ? model.group(1).strip() : unnamed;
        } catch (IOException e) {
            return unnamed;
        }
    }
}
