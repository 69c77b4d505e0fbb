package dev.inflight.coordinator.ledger;

import dev.inflight.coordinator.ledger.LedgerCodec.DamagedException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.OverlappingFileLockException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermission;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.UUID;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A replica's files in its data directory: {@code ledger.jsonl} with a line for each record, {@code replica} with the
 * replica's id, {@code promise} with the highest term it has promised to obey, and {@code lock}. The ledger only grows;
 * where it has to become another it is written anew beside the old one, forced to disk and renamed over it. Blocks;
 * used by one thread at a time.
 */
final class LedgerFile implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(LedgerFile.class);
    private static final String PRIVATE_DIRECTORY = "rwx------";
    private static final String PRIVATE_FILE = "rw-------";

    private static final Integer ROOT = 0;

    private final Path directory;
    private final Path path;
    private final FileChannel lock;
    private final String replica;
    private final List<LedgerRecord> records = new ArrayList<>();
    private Promise promise;
    private FileChannel channel;
    private long size;

    /**
     * What a replica has promised: to take entries of no lower term, and of this term from this writer only.
     *
     * @param writer a coordinator's own id
     */
    record Promise(long term, String writer) {
        static final Promise NONE = new Promise(0, "");

        boolean allows(long otherTerm, String otherWriter) {
            return otherTerm > term || (otherTerm == term && otherWriter.equals(writer));
        }
    }

    /**
     * Opens the files of a data directory and makes what is not there.
     *
     * @throws LedgerException if another process has it, a line is damaged, or it can not be read or written
     */
    static LedgerFile open(Path directory) {
        try {
            makeDirectory(directory);
            return new LedgerFile(directory);
        } catch (IOException e) {
            throw new LedgerException(directory + ": the ledger can not be opened: " + e, e);
        }
    }

    private LedgerFile(Path directory) throws IOException {
        this.directory = directory;
        this.path = directory.resolve("ledger.jsonl");
        this.lock = lock(directory);
        try {
            this.replica = replicaId();
            this.promise = readPromise();
            boolean torn = read();
            if (torn || !Files.exists(path)) {
                rewrite();
            }
            this.channel = FileChannel.open(path, StandardOpenOption.WRITE, StandardOpenOption.APPEND);
            this.size = channel.size();
        } catch (IOException | RuntimeException e) {
            lock.close();
            throw e;
        }
    }

    private static void makeDirectory(Path directory) throws IOException {
        if (!Files.isDirectory(directory)) {
            Path parent = directory.toAbsolutePath().getParent();
            if (parent != null) {
                Files.createDirectories(parent);
            }
            Files.createDirectory(
                    directory,
                    PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString(PRIVATE_DIRECTORY)));
        }
        requireOwn(directory);
        if (!Files.isWritable(directory)) {
            throw new LedgerException(directory
                    + ": this user may not write here; set inflight.coordinator.data-dir to a directory of its own");
        }
    }

    /** What another user wrote there would be believed. */
    private static void requireOwn(Path directory) throws IOException {
        Object owner = Files.getAttribute(directory, "unix:uid");
        Object user = Files.getAttribute(Path.of("/proc/self"), "unix:uid");
        boolean open = Files.getPosixFilePermissions(directory).contains(PosixFilePermission.OTHERS_WRITE);
        if (open || !(owner.equals(user) || owner.equals(ROOT))) {
            throw new LedgerException(directory + ": belongs to user " + owner + " and is "
                    + (open ? "open to all; take the others' right to write from it" : "not this user's, " + user)
                    + ", or set inflight.coordinator.data-dir to another directory");
        }
    }

    private static FileChannel lock(Path directory) throws IOException {
        FileChannel file =
                FileChannel.open(directory.resolve("lock"), StandardOpenOption.CREATE, StandardOpenOption.WRITE);
        try {
            if (file.tryLock() != null) {
                return file;
            }
        } catch (OverlappingFileLockException e) {
            // Another one in this very process: told below.
        }
        file.close();
        throw new LedgerException(directory
                + ": another coordinator node uses this data directory; give each its own inflight.coordinator.data-dir"
                + " (--data-dir)");
    }

    private String replicaId() throws IOException {
        Path file = directory.resolve("replica");
        if (Files.exists(file)) {
            return Files.readString(file).strip();
        }
        String id = UUID.randomUUID().toString();
        replaceFile(file, id + "\n");
        return id;
    }

    private Promise readPromise() throws IOException {
        Path file = directory.resolve("promise");
        return Files.exists(file) ? LedgerCodec.MAPPER.readValue(Files.readString(file), Promise.class) : Promise.NONE;
    }

    /** @return whether the last line was left out because it is torn */
    private boolean read() throws IOException {
        if (!Files.exists(path)) {
            return false;
        }
        byte[] bytes = Files.readAllBytes(path);
        int begin = 0;
        int number = 1;
        while (begin < bytes.length) {
            int end = endOfLine(bytes, begin);
            boolean last = end >= bytes.length - 1;
            try {
                if (end == bytes.length) {
                    throw new DamagedException("it does not end");
                }
                records.add(LedgerCodec.read(new String(bytes, begin, end - begin, StandardCharsets.UTF_8)));
            } catch (DamagedException e) {
                if (!last) {
                    throw new LedgerException(path + ": line " + number + " is damaged: " + e.getMessage()
                            + ". If other coordinator nodes have replicas, move the file away and it is copied from"
                            + " them; else delete the line, and only its entry is lost");
                }
                LOG.warn(
                        "{}: line {}, the last, was left out: {}. The node ended while it was written",
                        path,
                        number,
                        e.getMessage());
                return true;
            }
            begin = end + 1;
            number++;
        }
        return false;
    }

    private static int endOfLine(byte[] bytes, int begin) {
        int end = begin;
        while (end < bytes.length && bytes[end] != '\n') {
            end++;
        }
        return end;
    }

    /** This replica among all, for as long as its data directory lives. */
    String replica() {
        return replica;
    }

    /** In order. */
    List<LedgerRecord> records() {
        return records;
    }

    Position last() {
        return records.isEmpty() ? Position.NONE : records.getLast().position();
    }

    Promise promise() {
        return promise;
    }

    /** @throws IOException if it is not on disk; it holds nevertheless as long as this process lives */
    void promise(Promise next) throws IOException {
        promise = next;
        replaceFile(directory.resolve("promise"), LedgerCodec.MAPPER.writeValueAsString(next) + "\n");
    }

    /** Adds records, which are on the disk when this returns. After a failure none of them is in the ledger. */
    void append(Collection<LedgerRecord> more) throws IOException {
        ByteBuffer bytes = ByteBuffer.wrap(text(more).getBytes(StandardCharsets.UTF_8));
        try {
            // A failed attempt before may have left a part, and could not remove it.
            if (channel.size() != size) {
                channel.truncate(size);
            }
            int length = bytes.remaining();
            while (bytes.hasRemaining()) {
                channel.write(bytes);
            }
            channel.force(true);
            size += length;
        } catch (IOException e) {
            removePart(e);
            throw e;
        }
        records.addAll(more);
    }

    private void removePart(IOException failure) {
        try {
            channel.truncate(size);
        } catch (IOException e) {
            failure.addSuppressed(e);
        }
    }

    /** Keeps these records only. */
    void replace(List<LedgerRecord> all) throws IOException {
        List<LedgerRecord> before = List.copyOf(records);
        records.clear();
        records.addAll(all);
        try {
            rewrite();
        } catch (IOException e) {
            records.clear();
            records.addAll(before);
            throw e;
        }
        FileChannel replaced = channel;
        channel = FileChannel.open(path, StandardOpenOption.WRITE, StandardOpenOption.APPEND);
        size = channel.size();
        replaced.close();
    }

    /**
     * Keeps a copy of the ledger as it is under another name, which names its last record.
     *
     * @return where to; null if it is empty
     */
    @Nullable
    Path setAside() throws IOException {
        if (records.isEmpty()) {
            return null;
        }
        Path aside = directory.resolve("ledger-aside-" + last().term() + "-" + last().sequence() + ".jsonl");
        replaceFile(aside, text(records));
        return aside;
    }

    private void rewrite() throws IOException {
        replaceFile(path, text(records));
    }

    private static String text(Collection<LedgerRecord> all) {
        StringBuilder text = new StringBuilder();
        all.forEach(record -> text.append(LedgerCodec.line(record)).append('\n'));
        return text.toString();
    }

    /** Writes a file whole or not at all, on the disk when this returns. */
    private static void replaceFile(Path file, String text) throws IOException {
        Path draft = file.resolveSibling(file.getFileName() + ".new");
        Files.deleteIfExists(draft);
        Files.createFile(draft, PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString(PRIVATE_FILE)));
        try (FileChannel out = FileChannel.open(draft, StandardOpenOption.WRITE)) {
            ByteBuffer bytes = ByteBuffer.wrap(text.getBytes(StandardCharsets.UTF_8));
            while (bytes.hasRemaining()) {
                out.write(bytes);
            }
            out.force(true);
        }
        Files.move(draft, file, StandardCopyOption.ATOMIC_MOVE);
        Path parent = file.toAbsolutePath().getParent();
        if (parent != null) {
            // The new name itself is only durable with its directory.
            try (FileChannel entries = FileChannel.open(parent, StandardOpenOption.READ)) {
                entries.force(true);
            }
        }
    }

    @Override
    public void close() throws IOException {
        try (lock) {
            channel.close();
        }
    }
}
