package dev.inflight.protocol.plan;

import com.fasterxml.jackson.annotation.JsonFormat;

/**
 * Consecutive shards that a host holds.
 *
 * @param first lowest index
 * @param last highest index, inclusive
 */
@JsonFormat(shape = JsonFormat.Shape.ARRAY)
public record ShardRange(int first, int last) {}
