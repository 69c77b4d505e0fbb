import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.regex.Pattern;
import java.util.zip.CRC32;
import java.util.zip.ZipEntry;
import java.util.zip.ZipFile;
import java.util.zip.ZipOutputStream;

/**
 * Copies jars without compression, and without the entries that match a pattern: one archive of them, compressed as a
 * whole, is far smaller than the jars were. Usage: StoredJars.java PATTERN DIRECTORY JAR...
 */
class StoredJars {
    public static void main(String[] args) throws IOException {
        var without = Pattern.compile(args[0]);
        for (int i = 2; i < args.length; i++) {
            var jar = Path.of(args[i]);
            store(jar, Path.of(args[1]).resolve(jar.getFileName()), without);
        }
    }

    private static void store(Path from, Path to, Pattern without) throws IOException {
        try (var jar = new ZipFile(from.toFile());
                var copy = new ZipOutputStream(Files.newOutputStream(to))) {
            copy.setMethod(ZipOutputStream.STORED);
            for (var entry : (Iterable<ZipEntry>) jar.stream().map(ZipEntry.class::cast)::iterator) {
                if (!without.matcher(entry.getName()).matches()) {
                    store(entry.getName(), entry.getTime(), jar.getInputStream(entry).readAllBytes(), copy);
                }
            }
        }
    }

    private static void store(String name, long time, byte[] bytes, ZipOutputStream copy) throws IOException {
        var sum = new CRC32();
        sum.update(bytes);
        var entry = new ZipEntry(name);
        entry.setTime(time);
        entry.setSize(bytes.length);
        entry.setCrc(sum.getValue());
        copy.putNextEntry(entry);
        copy.write(bytes);
        copy.closeEntry();
    }
}
