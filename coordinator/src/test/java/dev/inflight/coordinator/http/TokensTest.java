package dev.inflight.coordinator.http;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import dev.inflight.protocol.tls.SecretFileException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class TokensTest {
    private static final String A = "aaaaaaaaaaaaaaaaaaaaaaaa";
    private static final String B = "bbbbbbbbbbbbbbbbbbbb+/==";

    @TempDir
    private Path directory;

    @Test
    void namesTheRequester() throws IOException {
        Tokens tokens = Tokens.read(write("# who may\n\nci:" + A + "\n  trainer-1@x.org:" + B + "  \n", "rw-r-----"));
        assertThat(tokens.requester(A)).isEqualTo(new Requester("ci"));
        assertThat(tokens.requester(B)).isEqualTo(new Requester("trainer-1@x.org"));
        assertThat(tokens.requester(A + "a")).isNull();
        assertThat(tokens.requester(A.substring(1))).isNull();
        assertThat(tokens.requester("ci:" + A)).isNull();
        assertThat(tokens.requester("")).isNull();
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "''                          | holds no token",
                "'# ci:secretsecretsecretsecret' | holds no token",
                "ci:secretsecret             | line 1: a token has at least 20 characters",
                "secretsecretsecretsecret    | line 1: is not like name:token",
                "ci:                         | line 1: is not like name:token",
                ":secretsecretsecretsecret   | line 1: is not like name:token",
                "c i:secretsecretsecretsecret | line 1: is not like name:token",
                "ci:secretsecretsecret secret | line 1: is not like name:token",
                "'a:secretsecretsecretsecret;b:secretsecretsecretsecret' | line 2: the token is that of another line",
                "'a:secretsecretsecretsecret;a:secretsecretsecretsecre7' | line 2: the name is that of another line",
            })
    void refusesAMalformedFileByLineWithoutRepeatingTheToken(String text, String message) throws IOException {
        Path file = write(text.replace(';', '\n'), "rw-------");
        assertThatExceptionOfType(SecretFileException.class)
                .isThrownBy(() -> Tokens.read(file))
                .withMessageStartingWith(file + ": " + message)
                .satisfies(e -> assertThat(e.getMessage()).doesNotContain("secret"));
    }

    @ParameterizedTest
    @CsvSource({"rw-r--r--", "rw-----w-", "rwx-----x"})
    void refusesAFileThatEverybodyHasAccessTo(String mode) throws IOException {
        Path file = write("ci:" + A, mode);
        assertThatExceptionOfType(SecretFileException.class)
                .isThrownBy(() -> Tokens.read(file))
                .withMessageContaining("chmod 600");
    }

    @Test
    void refusesWhatIsNoFile() {
        assertThatExceptionOfType(SecretFileException.class)
                .isThrownBy(() -> Tokens.read(directory.resolve("none")))
                .withMessageEndingWith("none: no such file");
        assertThatExceptionOfType(SecretFileException.class)
                .isThrownBy(() -> Tokens.read(directory))
                .withMessageContaining("is no regular file");
    }

    private Path write(String text, String mode) throws IOException {
        Path file = Files.writeString(directory.resolve("tokens"), text);
        return Files.setPosixFilePermissions(file, PosixFilePermissions.fromString(mode));
    }
}
