package org.tidings.client;

/** Says in a sentence what is wrong with a server's settings, and where. */
public final class ConfigurationException extends IllegalArgumentException {
    private static final long serialVersionUID = 1;

    private final int line;

    ConfigurationException(String message, int line) {
        super(line > 0 ? "line " + line + ": " + message : message);
        this.line = line;
    }

    /** Which line is wrong, counted from 1; 0 where there are no lines, or something is missing. */
    public int line() {
        return line;
    }
}
