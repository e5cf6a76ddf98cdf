package org.tidings.core.device;

/** Hears how a request to the server ended. */
public interface Answer {
    void done();

    /** @param condition the server's stanza error, or {@code replaced}, {@code offline} or {@code lost} */
    void refused(String condition);
}
