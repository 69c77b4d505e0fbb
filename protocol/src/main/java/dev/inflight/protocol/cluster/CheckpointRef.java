package dev.inflight.protocol.cluster;

/**
 * Names a published checkpoint without carrying its tensor list.
 *
 * @param model the model it belongs to
 * @param version its version, unique in the model
 * @param digest the manifest's SHA-256, lower-case hex: the checkpoint's identity
 * @param source path of the file or directory it was published from
 * @param shardCount number of shards it was split into at publish
 * @param maxPartBytes a tensor larger than this was split over shards
 * @param tensors number of tensors
 * @param bytes sum of the tensors' sizes
 * @param largestTensorBytes size of the largest tensor
 */
public record CheckpointRef(
        String model,
        String version,
        String digest,
        String source,
        int shardCount,
        long maxPartBytes,
        long tensors,
        long bytes,
        long largestTensorBytes) {}
