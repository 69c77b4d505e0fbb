package dev.inflight.cli.demo;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;

/** An installation whose JVM is a script that announces the role it was started in and waits. */
final class AnnouncingJvms {
    private static final String SCRIPT = """
            #!/bin/bash
            echo "$*"
            echo "CUDA_VISIBLE_DEVICES is ${CUDA_VISIBLE_DEVICES:-not set}"
            arguments="$*"
            while [[ $# -gt 0 ]]; do
              case "$1" in
                --announce) announce="$2" ;;
                --role) role="$2" ;;
                --name) name="$2" ;;
                --link) link="$2" ;;
                --workers) workers="$2" ;;
              esac
              shift
            done
            if [[ "${role:-}" == "%1$s" ]]; then echo 'port taken'; exit 3; fi
            case "${role:-engine}" in
              coordinator) json='{"http":"%2$s"}' ;;
              worker)
                for ((i = 0; i < workers; i++)); do
                  links="${links:-}${links:+,}"'{"worker":"'$name/$i'","socket":"/run/'$name-$i'.sock"}'
                done
                json='{"http":null,"links":['$links']}' ;;
              engine) [[ "$link" == /run/*.sock ]] || exit 4; json='{"http":"http://127.0.0.1:1'"${announce//[^0-9]/}"'"}' ;;
            esac
            echo "$json" > "$announce.tmp"
            mv "$announce.tmp" "$announce"
            exec sleep 600
            """;

    private AnnouncingJvms() {}

    /** @param failingRole the role that ends instead of announcing */
    static Installation install(Path directory, String failingRole, String coordinatorUrl) throws IOException {
        Path java = directory.resolve("java");
        Files.writeString(java, SCRIPT.formatted(failingRole, coordinatorUrl));
        assertThat(java.toFile().setExecutable(true)).isTrue();
        return new Installation(java, "inflight.jar", Optional.empty());
    }
}
