package org.tidings.client;

import org.tidings.core.stream.Trouble;

/** Knows the sentence for each kind of trouble. */
final class TroubleText {
    private TroubleText() {}

    static int of(Trouble trouble) {
        switch (trouble) {
            case NO_NETWORK: return R.string.tidings_trouble_no_network;
            case UNREACHABLE: return R.string.tidings_trouble_unreachable;
            case TIMEOUT: return R.string.tidings_trouble_timeout;
            case TLS: return R.string.tidings_trouble_tls;
            case CERTIFICATE_UNTRUSTED: return R.string.tidings_trouble_certificate_untrusted;
            case CERTIFICATE_CHANGED: return R.string.tidings_trouble_certificate_changed;
            case PROTOCOL: return R.string.tidings_trouble_protocol;
            case BUSY: return R.string.tidings_trouble_busy;
            case CONFLICT: return R.string.tidings_trouble_conflict;
            case DOMAIN: return R.string.tidings_trouble_domain;
            case NO_MECHANISM:
            case NOT_PROVED: return R.string.tidings_trouble_login_unsafe;
            case CREDENTIALS:
            case LOGIN_REFUSED: return R.string.tidings_trouble_login_refused;
            case REGISTRATION_REFUSED:
            case NAME_TAKEN: return R.string.tidings_trouble_registration_refused;
            case STORE: return R.string.tidings_trouble_store;
            default: return R.string.tidings_trouble_closed;
        }
    }
}
