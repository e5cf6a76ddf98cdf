package org.tidings.core.stream;

import org.tidings.core.sasl.SaltedPassword;

/** What a negotiation led to: a session that begins, or one that goes on. */
public final class Established {
    /** The server's own name for itself. */
    public String domain;
    /** The session's address; null where it goes on under the old one. */
    public String jid;
    /** Whether the session of before goes on, and what the server had handled of it. */
    public boolean resumed;
    public int handled;
    /** Whether stanzas are counted, and the name under which the session may go on, or null. */
    public boolean managed;
    public String resumeId;
    /** Whether the server knows XEP-0352. */
    public boolean clientState;
    /** How the login went, for people who look for a fault. */
    public String mechanism;
    public boolean inline;
    /** For the next login. */
    public SaltedPassword salted;

    Established() {}
}
