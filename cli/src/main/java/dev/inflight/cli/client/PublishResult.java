package dev.inflight.cli.client;

import com.fasterxml.jackson.annotation.JsonIgnoreProperties;

/**
 * How a publish ended.
 *
 * @param seconds from acceptance to the end, as the coordinator measured it
 * @param inPlace whether the files lie in shared memory and are used there
 * @param touchSeconds time to make fresh host memory present, on the host that took longest; 0 if memory was reused
 * @param registerSeconds time to register the memory with GPUs, on the host that took longest
 */
@JsonIgnoreProperties(ignoreUnknown = true)
public record PublishResult(double seconds, boolean inPlace, double touchSeconds, double registerSeconds) {}
