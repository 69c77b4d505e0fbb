package dev.inflight.cli.model;

import com.fasterxml.jackson.databind.PropertyNamingStrategies.SnakeCaseStrategy;
import com.fasterxml.jackson.databind.annotation.JsonNaming;
import dev.inflight.protocol.checkpoint.Dtype;
import java.util.List;

/**
 * The {@code quantization_config} of block-wise FP8: each projection is E4M3 with one scale per block.
 *
 * @param weightBlockSize rows and columns that share a scale
 */
@JsonNaming(SnakeCaseStrategy.class)
record BlockScales(List<Long> weightBlockSize) {
    /** Adds a projection and its scales. */
    void quantised(String projection, long rows, long columns, Dtype scale, List<ModelTensor> tensors) {
        tensors.add(ModelTensor.of(projection + ".weight", Dtype.F8_E4M3, rows, columns));
        tensors.add(ModelTensor.of(
                projection + ".weight_scale_inv",
                scale,
                Math.ceilDiv(rows, weightBlockSize.getFirst()),
                Math.ceilDiv(columns, weightBlockSize.getLast())));
    }
}
