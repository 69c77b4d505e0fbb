package dev.inflight.cli.load;

import static org.assertj.core.api.Assertions.assertThat;

import dev.inflight.protocol.checkpoint.Dtype;
import dev.inflight.protocol.checkpoint.SafetensorsWriter;
import dev.inflight.protocol.link.AnswerFunction;
import dev.inflight.protocol.link.SliceRule;
import dev.inflight.protocol.link.TensorParallel;
import dev.inflight.worker.store.CheckpointFiles;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ExpectedAnswersTest {
    private record Bytes(byte[] content) implements AnswerFunction.Tensor {
        @Override
        public long bytes() {
            return content.length;
        }

        @Override
        public byte byteAt(long offset) {
            return content[(int) offset];
        }
    }

    @Test
    void answersFromTheFilesAsAnEngineDoesFromItsParameters(@TempDir Path directory) throws IOException {
        byte[] a = {1, 2, 3, 4, 5};
        byte[] b = {9, 8, 7};
        Path file = directory.resolve("model.safetensors");
        SafetensorsWriter.write(
                file,
                Map.of(),
                List.of(
                        SafetensorsWriter.Tensor.of("b", Dtype.U8, List.of(3L), b),
                        SafetensorsWriter.Tensor.of("empty", Dtype.F32, List.of(0L), new byte[0]),
                        SafetensorsWriter.Tensor.of("a", Dtype.U8, List.of(5L), a)));

        try (CheckpointFiles files = CheckpointFiles.open(file)) {
            ExpectedAnswers answers = new ExpectedAnswers(files.layout(), files::map);
            for (long seed : new long[] {0, 1, -1, Long.MIN_VALUE}) {
                assertThat(answers.apply(seed))
                        .isEqualTo(AnswerFunction.answer(seed, List.of(new Bytes(a), new Bytes(b))));
            }
        }
    }

    @Test
    void ofAnEngineThatHoldsSlicesItAnswersFromThese(@TempDir Path directory) throws IOException {
        byte[] cut = {1, 2, 3, 4, 5, 6, 7, 8};
        byte[] whole = {9, 8, 7};
        Path file = directory.resolve("model.safetensors");
        SafetensorsWriter.write(
                file,
                Map.of(),
                List.of(
                        SafetensorsWriter.Tensor.of("a", Dtype.U8, List.of(2L, 4L), cut),
                        SafetensorsWriter.Tensor.of("b", Dtype.U8, List.of(3L), whole)));
        TensorParallel second = new TensorParallel(1, 2, List.of(new SliceRule("a", 1)));

        try (CheckpointFiles files = CheckpointFiles.open(file)) {
            ExpectedAnswers answers = new ExpectedAnswers(files.layout(), files::map, second);
            Bytes part = new Bytes(new byte[] {3, 4, 7, 8});
            assertThat(answers.apply(5)).isEqualTo(AnswerFunction.answer(5, List.of(part, new Bytes(whole))));
        }
    }
}
