package org.tidings.core.sasl;

/** Says that a login cannot be trusted or cannot be made: the server failed to prove itself, or a text is no password. */
public final class SaslException extends Exception {
    private static final long serialVersionUID = 1;

    public SaslException(String message) {
        super(message);
    }
}
