package dev.inflight.protocol.cluster;

/** Marks a message that may cross Akka remoting; bound to the jackson-cbor serializer. */
public interface Wire {}
