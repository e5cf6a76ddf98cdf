package org.tidings.core.device;

import java.io.IOException;
import org.tidings.core.sasl.SaltedPassword;
import org.tidings.core.session.Connection;
import org.tidings.core.session.SessionState;
import org.tidings.core.stream.Established;
import org.tidings.core.stream.Login;
import org.tidings.core.stream.Trouble;

/** For which account and which session the next login is, and what came of the last one. */
final class Logins {
    private final Settings settings;
    private final RandomSource random;
    private final AccountKeeper accounts;
    private SessionState session;
    private SaltedPassword salted;

    Logins(Settings settings, Store store, RandomSource random) {
        this.settings = settings;
        this.random = random;
        this.accounts = new AccountKeeper(settings, store, random);
    }

    AccountKeeper accounts() {
        return accounts;
    }

    /** The session that may go on, or null. */
    SessionState session() {
        return session;
    }

    Login next() {
        Account account = accounts.account();
        Login login = new Login(settings.domain, account.username(), account.password(), RandomSource.hex(random, 16))
                .salted(salted).as(settings.tag, account.agent()).inline(settings.inlineLogin);
        if (accounts.mustRegister()) {
            login.registering(settings.token);
        } else if (session != null && session.resumeId() != null) {
            login.resuming(session.resumeId(), session.handled());
        }
        return login;
    }

    /** A login went well; returns the session that was lost by it, if one was. */
    SessionState established(Established established, Connection connection) {
        SessionState before = session;
        salted = established.salted;
        session = connection.state();
        return established.resumed ? null : before;
    }

    /** An attempt ended so. True where the next one may go better without anybody's doing. */
    boolean failed(Trouble trouble, boolean wasOnline) throws IOException {
        if (!wasOnline && trouble == Trouble.PROTOCOL) {
            // Perhaps of a session that cannot go on.
            session = null;
        }
        try {
            return accounts.refused(trouble) || !trouble.needsPerson();
        } finally {
            if (accounts.mustRegister()) {
                session = null;
                salted = null;
            }
        }
    }

    /** The device stops: whoever waits for an answer hears that there will be none. */
    void abandon() {
        if (session != null) {
            session.abandon();
            session = null;
        }
    }
}
