package dev.inflight.coordinator.http;

/**
 * Who sent a request.
 *
 * @param name as the token file names them; {@code anonymous} where the API asks for no token
 */
record Requester(String name) {
    static final Requester ANONYMOUS = new Requester("anonymous");
}
