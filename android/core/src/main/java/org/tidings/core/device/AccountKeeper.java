package org.tidings.core.device;

import java.io.IOException;
import org.tidings.core.stream.Trouble;

/** Keeps the account in step with what the server says of it: made up, registered, revoked. */
final class AccountKeeper {
    /** Refusals in a row after which credentials count as revoked: one may be a server's mishap. */
    private static final int REVOKED = 2;

    private final Settings settings;
    private final Store store;
    private final RandomSource random;
    private Account account;
    private int refusals;
    /** A registration may have gone through unseen: whether the name is ours, a login tells. */
    private boolean uncertain;
    private boolean saved;

    AccountKeeper(Settings settings, Store store, RandomSource random) {
        this.settings = settings;
        this.store = store;
        this.random = random;
    }

    void start() throws IOException {
        Account kept = store.account();
        String agent = kept == null ? Account.newAgent(random) : kept.agent();
        String identity = kept == null ? null : kept.identity();
        if (settings.username != null) {
            account = new Account(settings.username, settings.password, agent, true, false, identity);
        } else if (kept != null && kept.own()) {
            account = kept;
        } else {
            account = Account.random(random, agent, identity);
        }
        saved = account == kept;
    }

    Account account() {
        return account;
    }

    boolean mustRegister() {
        return !account.registered() && !uncertain;
    }

    /** The account is on disk before the server hears of it. */
    void prepare() throws IOException {
        if (!saved) {
            save(account);
        }
    }

    void named(String username) throws IOException {
        save(account.named(username));
    }

    void registered() throws IOException {
        save(account.registered(true));
    }

    /** The server's proof makes an account's first server the right one. */
    void loggedIn(String identity) throws IOException {
        refusals = 0;
        uncertain = false;
        if (!account.registered() || !identity.equals(account.identity())) {
            save(account.registered(true).knowing(identity));
        }
    }

    void know(String identity) throws IOException {
        save(account.knowing(identity));
    }

    /** An attempt ended so. True where the next one may go better, because the account has changed. */
    boolean refused(Trouble trouble) throws IOException {
        if (trouble == Trouble.NAME_TAKEN) {
            uncertain = true;
            return true;
        }
        if (trouble != Trouble.CREDENTIALS) {
            return false;
        }
        if (uncertain || account.own() && ++refusals >= REVOKED) {
            uncertain = false;
            refusals = 0;
            account = Account.random(random, account.agent(), account.identity());
            saved = false;
            save(account);
            return true;
        }
        return account.own();
    }

    private void save(Account changed) throws IOException {
        account = changed;
        saved = false;
        store.saveAccount(changed);
        saved = true;
    }
}
