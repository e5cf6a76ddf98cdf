package org.tidings.core.device;

import java.io.IOException;
import java.util.function.Consumer;
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
    private final Consumer<IOException> storeFailed;
    private SessionState session;
    private SaltedPassword salted;

    Logins(Settings settings, Store store, RandomSource random, Consumer<IOException> storeFailed) {
        this.settings = settings;
        this.random = random;
        this.storeFailed = storeFailed;
        this.accounts = new AccountKeeper(settings, store, random);
    }

    void start() throws IOException {
        accounts.start();
    }

    Account account() {
        return accounts.account();
    }

    /** What the next login needs is on disk when this returns. */
    void prepare() throws IOException {
        accounts.prepare();
    }

    /** A person says by what the server is to be known. */
    void know(String identity) {
        attempt(() -> accounts.know(identity));
    }

    /** The invitation is for one name alone. */
    void named(String username) {
        attempt(() -> accounts.named(username));
    }

    void registered() {
        attempt(accounts::registered);
    }

    /** Something that the store may refuse: it is stored before the next login then. */
    private interface Storing {
        void run() throws IOException;
    }

    private void attempt(Storing storing) {
        try {
            storing.run();
        } catch (IOException e) {
            storeFailed.accept(e);
        }
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
    SessionState established(Established established, Connection connection, String identity) {
        attempt(() -> accounts.loggedIn(identity));
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
