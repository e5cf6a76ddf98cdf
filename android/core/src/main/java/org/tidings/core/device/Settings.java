package org.tidings.core.device;

import org.tidings.core.session.Connection;

/** What an app decides about its device; everything but the domain has a default. */
public final class Settings {
    final String domain;
    String token;
    String username;
    String password;
    String tag = "android";
    boolean inlineLogin = true;
    long firstWait = 1_000;
    long longestWait = 300_000;
    Connection.Pace pace = new Connection.Pace(60_000, 30_000);

    public Settings(String domain) {
        this.domain = domain;
    }

    /** The server's domain. */
    public String domain() {
        return domain;
    }

    /** With what to register where the server asks for a token, or null. */
    public Settings token(String token) {
        this.token = token;
        return this;
    }

    /** An account that an operator made, in the place of a random one. */
    public Settings account(String username, String password) {
        this.username = username;
        this.password = password;
        return this;
    }

    /** What the session's resource begins with. */
    public Settings tag(String tag) {
        this.tag = tag;
        return this;
    }

    /** Whether XEP-0388 is used where the server offers it; otherwise RFC 6120. */
    public Settings inlineLogin(boolean inline) {
        this.inlineLogin = inline;
        return this;
    }

    /** The first and the highest ceiling of the waits between attempts, in milliseconds. */
    public Settings waits(long first, long longest) {
        this.firstWait = first;
        this.longestWait = longest;
        return this;
    }

    /** How long a login and an answer may take, in milliseconds. */
    public Settings pace(long login, long answer) {
        this.pace = new Connection.Pace(login, answer);
        return this;
    }
}
