package org.tidings.core.stream;

/** What can go wrong between a device and its server, for a program to tell apart and an app to translate. */
public enum Trouble {
    /** There is no network. */
    NO_NETWORK(false),
    /** No address of the server could be reached. */
    UNREACHABLE(false),
    /** The server did not answer in time. */
    TIMEOUT(false),
    /** The connection ended. */
    CLOSED(false),
    /** TLS could not be agreed on, or the server does not offer it. */
    TLS(false),
    /** No authority that the device trusts vouches for the certificate, and it is no known one. */
    CERTIFICATE_UNTRUSTED(true),
    /** The server shows another certificate than the one it is known by. */
    CERTIFICATE_CHANGED(true),
    /** What came is not XMPP, or not in its order. */
    PROTOCOL(false),
    /** The server ends streams for the moment: it restarts, or is short of resources. */
    BUSY(false),
    /** Another connection took the place of this one. */
    CONFLICT(false),
    /** The server does not serve the domain. */
    DOMAIN(true),
    /** The server offers no login that keeps the password to itself. */
    NO_MECHANISM(true),
    /** The server let the device in without proving that it knows the account. */
    NOT_PROVED(true),
    /** The password is wrong, or the account is no more. */
    CREDENTIALS(true),
    /** The account is disabled, or the login otherwise refused. */
    LOGIN_REFUSED(true),
    /** The server takes no new accounts, or not with this token. */
    REGISTRATION_REFUSED(true),
    /** The name that the device made up is somebody else's. */
    NAME_TAKEN(false),
    /** The device could not store what came: its disk may be full. */
    STORE(false);

    private final boolean needsPerson;

    Trouble(boolean needsPerson) {
        this.needsPerson = needsPerson;
    }

    /** Whether trying again is of little use until a person has done something. */
    public boolean needsPerson() {
        return needsPerson;
    }
}
