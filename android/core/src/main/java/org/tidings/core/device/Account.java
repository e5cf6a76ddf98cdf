package org.tidings.core.device;

/** The device's account, which installation it is, and by what its server is known. */
public final class Account {
    private final String username;
    private final String password;
    private final String agent;
    private final boolean registered;
    private final boolean own;
    private final String identity;

    /**
     * @param agent a UUID that is made up once for an installation
     * @param registered false until the server has confirmed the registration
     * @param own whether the device made the account up, and so may make up another
     * @param identity of the server, or null where it was not met yet
     */
    public Account(String username, String password, String agent, boolean registered, boolean own, String identity) {
        this.username = username;
        this.password = password;
        this.agent = agent;
        this.registered = registered;
        this.own = own;
        this.identity = identity;
    }

    /** A random name and a random password, not registered yet. */
    static Account random(RandomSource random, String agent, String identity) {
        return new Account(RandomSource.hex(random, 16), RandomSource.hex(random, 24), agent, false, true, identity);
    }

    /** A random UUID (RFC 9562 section 5.4). */
    static String newAgent(RandomSource random) {
        StringBuilder hex = new StringBuilder(RandomSource.hex(random, 16));
        hex.setCharAt(12, '4');
        hex.setCharAt(16, "89ab".charAt(Character.digit(hex.charAt(16), 16) & 3));
        return hex.insert(20, '-').insert(16, '-').insert(12, '-').insert(8, '-').toString();
    }

    public String username() {
        return username;
    }

    public String password() {
        return password;
    }

    public String agent() {
        return agent;
    }

    public boolean registered() {
        return registered;
    }

    public boolean own() {
        return own;
    }

    /** What the server is known by ({@link Channel}), or null. */
    public String identity() {
        return identity;
    }

    Account named(String username) {
        return new Account(username, password, agent, registered, own, identity);
    }

    Account registered(boolean registered) {
        return new Account(username, password, agent, registered, own, identity);
    }

    Account knowing(String identity) {
        return new Account(username, password, agent, registered, own, identity);
    }

    /** Without the password. */
    @Override
    public String toString() {
        return "Account(" + username + ", " + (registered ? "registered" : "new") + ", " + identity + ")";
    }
}
