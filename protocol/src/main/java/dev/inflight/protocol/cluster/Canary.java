package dev.inflight.protocol.cluster;

import org.jspecify.annotations.Nullable;

/**
 * How part of the engines try a version before the others get it; in the words of who asks, which the coordinator checks.
 *
 * @param share how many try it: a number of engines, or a percentage such as {@code 10%}
 * @param holdMs how long it is watched before it is promoted, in milliseconds; null until somebody decides
 * @param check what is watched meanwhile: {@code http://…}, {@code metric:http://…#name<1}, or {@code client} if who asks
 *     watches and decides; null for nothing but the engines themselves
 */
public record Canary(
        String share, @Nullable Long holdMs, @Nullable String check) {}
