package org.tidings.core.stream;

import org.tidings.core.xml.Element;

/** Puts the error elements of streams, SASL and stanzas into words. */
public final class Errors {
    private Errors() {}

    /** A {@code <stream:error/>} (RFC 6120 section 4.9). */
    public static StreamException stream(Element error) {
        String condition = condition(error, Ns.STREAMS);
        String text = withText("the server ended the stream (" + condition + ")", error.childText("text", Ns.STREAMS));
        switch (condition) {
            case "host-unknown":
            case "host-gone":
                return new StreamException(Trouble.DOMAIN, "the server does not serve this domain (" + condition + ")");
            case "conflict":
                return new StreamException(Trouble.CONFLICT, text);
            case "system-shutdown":
            case "resource-constraint":
            case "policy-violation":
            case "reset":
                return new StreamException(Trouble.BUSY, text);
            default:
                return new StreamException(Trouble.CLOSED, text);
        }
    }

    /** A {@code <failure/>} of either profile of SASL (RFC 6120 section 6.5). */
    static StreamException login(Element failure) {
        String condition = condition(failure, Ns.SASL);
        String text = failure.childText("text", failure.ns());
        switch (condition) {
            case "not-authorized":
                return new StreamException(Trouble.CREDENTIALS, "wrong username or password");
            case "temporary-auth-failure":
            case "aborted":
                return new StreamException(Trouble.BUSY, "the server cannot check the login right now");
            default:
                return new StreamException(Trouble.LOGIN_REFUSED,
                        withText("the server refused the login (" + condition + ")", text));
        }
    }

    /** The answer to a registration or a token. */
    static StreamException registration(Element iq) {
        Element error = iq.child("error", Ns.CLIENT);
        String condition = error == null ? "undefined-condition" : condition(error, Ns.STANZAS);
        if (condition.equals("conflict")) {
            return new StreamException(Trouble.NAME_TAKEN, "the username is taken");
        }
        if (error == null || "wait".equals(error.attribute("type")) || condition.equals("internal-server-error")) {
            return new StreamException(Trouble.BUSY, "the server takes no registration right now (" + condition + ")");
        }
        String sentence = "the server refused the registration (" + condition + ")";
        return new StreamException(Trouble.REGISTRATION_REFUSED, withText(sentence, error.childText("text", Ns.STANZAS)));
    }

    /** The defined condition of an error stanza, or {@code undefined-condition}. */
    public static String stanza(Element stanza) {
        Element error = stanza.child("error", Ns.CLIENT);
        return error == null ? "undefined-condition" : condition(error, Ns.STANZAS);
    }

    private static String condition(Element error, String ns) {
        for (Element child : error.children()) {
            if (child.ns().equals(ns) && !child.name().equals("text")) {
                return child.name();
            }
        }
        return "undefined-condition";
    }

    private static String withText(String sentence, String text) {
        if (text == null || text.isEmpty()) {
            return sentence;
        }
        return sentence + ": " + (text.length() > 200 ? text.substring(0, 200) + "…" : text);
    }
}
