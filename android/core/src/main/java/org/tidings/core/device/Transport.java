package org.tidings.core.device;

/** Carries an engine's bytes: at most one connection at a time, always under TLS. */
public interface Transport {
    /**
     * Begins to connect. {@link Engine#connected} or {@link Engine#failed} says what came of it.
     *
     * @param known what the server is known by since it was met first ({@link Account#identity}), or null
     */
    void connect(String known);

    void send(byte[] bytes);

    /** Drops the connection or the attempt; nothing more is heard of it. */
    void close();
}
