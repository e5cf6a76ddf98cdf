package org.tidings.core.net;

import org.tidings.core.stream.Trouble;

/** Says why there is no connection. */
final class DialException extends Exception {
    private static final long serialVersionUID = 1;

    final Trouble trouble;
    final String seen;

    DialException(Trouble trouble, String message, String seen) {
        super(message);
        this.trouble = trouble;
        this.seen = seen;
    }

    /** How much it tells: of several ways that failed, the most telling one is reported. */
    int weight() {
        switch (trouble) {
            case CERTIFICATE_CHANGED: return 5;
            case CERTIFICATE_UNTRUSTED: return 4;
            case TLS: return 3;
            case PROTOCOL: return 2;
            case TIMEOUT: return 1;
            default: return 0;
        }
    }
}
