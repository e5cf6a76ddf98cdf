package org.tidings.core.stream;

/** Says why a stream did not lead to a session, or ended. */
public final class StreamException extends Exception {
    private static final long serialVersionUID = 1;

    private final Trouble trouble;

    public StreamException(Trouble trouble, String message) {
        super(message);
        this.trouble = trouble;
    }

    public Trouble trouble() {
        return trouble;
    }
}
