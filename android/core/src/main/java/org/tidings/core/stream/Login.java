package org.tidings.core.stream;

import org.tidings.core.sasl.SaltedPassword;

/** Who logs in where, and what the stream is wanted for: all that a negotiation needs to know. */
public final class Login {
    final String domain;
    /** Until a registration whose invitation is for one name alone. */
    String username;
    final String password;
    final String nonce;
    SaltedPassword salted;
    boolean register;
    String token;
    String tag = "device";
    String agent;
    String resumeId;
    int handled;
    boolean inline = true;

    /** @param nonce random, printable ASCII without a comma */
    public Login(String domain, String username, String password, String nonce) {
        this.domain = domain;
        this.username = username;
        this.password = password;
        this.nonce = nonce;
    }

    /** What an earlier login of this account derived, or null. */
    public Login salted(SaltedPassword salted) {
        this.salted = salted;
        return this;
    }

    /** Registers the account first (XEP-0077), with a token where there is one (XEP-0445). */
    public Login registering(String token) {
        this.register = true;
        this.token = token;
        return this;
    }

    /** What the resource begins with, and which installation this is (XEP-0386): made up once and kept. */
    public Login as(String tag, String agent) {
        this.tag = tag;
        this.agent = agent;
        return this;
    }

    /** The session that is to go on where the server still has it (XEP-0198). */
    public Login resuming(String id, int handled) {
        this.resumeId = id;
        this.handled = handled;
        return this;
    }

    /** Whether XEP-0388 is used where the server offers it. */
    public Login inline(boolean inline) {
        this.inline = inline;
        return this;
    }
}
