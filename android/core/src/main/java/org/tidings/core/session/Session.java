package org.tidings.core.session;

import java.nio.charset.StandardCharsets;
import java.util.function.Consumer;
import org.tidings.core.Notification;
import org.tidings.core.stream.Errors;
import org.tidings.core.stream.Established;
import org.tidings.core.stream.Ns;
import org.tidings.core.stream.StreamException;
import org.tidings.core.stream.Trouble;
import org.tidings.core.xml.Element;

/** One connection of a session, from the end of the negotiation to the end of the link: what is said in it. */
final class Session {
    /** Unacknowledged stanzas of ours after which the server is asked to acknowledge. */
    private static final int ASK_AFTER = 16;
    /** Unacknowledged stanzas of ours with which a server is broken. */
    private static final int MOST_IN_FLIGHT = 1024;
    /** Questions that may be open at a time. */
    private static final int MOST_QUESTIONS = 1024;
    /** Stanzas of the server that may be waiting to be dealt with, more than any server leaves open. */
    private static final int MOST_OUTSTANDING = 4096;
    private static final byte[] REQUEST = ("<r xmlns='" + Ns.SM + "'/>").getBytes(StandardCharsets.US_ASCII);

    private final SessionState state;
    private final Established established;
    private final Consumer<byte[]> out;
    private final Connection.Events events;
    private boolean online;
    private boolean toldActive = true;
    /** What the server asked for, or was last told. */
    private boolean ackDue;
    private int acked;
    private boolean answerDue;

    Session(SessionState state, Established established, Consumer<byte[]> out, Connection.Events events) {
        this.state = state;
        this.established = established;
        this.out = out;
        this.events = events;
    }

    // ---- the beginning ----

    /** Greets as a new session, or says again what the last connection may have lost. */
    void begin(boolean active) throws StreamException {
        if (established.resumed) {
            state.inbound.rewind();
            acked = state.handled();
            if (!state.acknowledge(established.handled)) {
                throw new StreamException(Trouble.PROTOCOL, "the server acknowledged what was never sent");
            }
            for (byte[] bytes : state.unacknowledged()) {
                out.accept(bytes);
            }
            setActive(active);
            cameOnline();
            return;
        }
        ask("set", new Element("enable", Ns.PUSH), null, answer -> {});
        setActive(active);
        send(new Element("presence", Ns.CLIENT), null);
        if (state.managed) {
            requestAck();
        } else {
            ping(answer -> {
                if (answer != null) {
                    cameOnline();
                }
            });
        }
    }

    private void cameOnline() {
        if (!online) {
            online = true;
            events.online();
        }
    }

    // ---- what the server says ----

    void take(Element element) throws StreamException {
        if (element.ns().equals(Ns.SM)) {
            nonza(element);
            return;
        }
        if (element.is("error", Ns.STREAM)) {
            throw Errors.stream(element);
        }
        boolean stanza = element.ns().equals(Ns.CLIENT) && (element.name().equals("message")
                || element.name().equals("iq") || element.name().equals("presence"));
        if (!stanza) {
            return;
        }
        int number = state.inbound.receive();
        if (state.inbound.outstanding() > MOST_OUTSTANDING) {
            throw new StreamException(Trouble.PROTOCOL, "the server sends on without waiting for acknowledgements");
        }
        Delivery delivery = element.name().equals("message") ? delivery(element, number) : null;
        if (delivery != null) {
            events.received(delivery);
            return;
        }
        if (element.name().equals("iq")) {
            iq(element);
        }
        state.inbound.complete(number);
    }

    private void nonza(Element element) throws StreamException {
        if (element.name().equals("r")) {
            ackDue = true;
        } else if (element.name().equals("a")) {
            int h;
            try {
                h = Integer.parseUnsignedInt(String.valueOf(element.attribute("h")));
            } catch (NumberFormatException e) {
                throw new StreamException(Trouble.PROTOCOL, "the server acknowledged no number");
            }
            if (!state.acknowledge(h)) {
                throw new StreamException(Trouble.PROTOCOL, "the server acknowledged what was never sent");
            }
            answered();
            cameOnline();
        }
    }

    /** The notification of a message, or null where it is none, or not the server's own. */
    private Delivery delivery(Element message, int number) {
        String from = message.attribute("from");
        if ("error".equals(message.attribute("type")) || !isServer(from)) {
            return null;
        }
        Notification notification = Notification.of(message.child("notification", Ns.PUSH));
        if (notification == null) {
            return null;
        }
        boolean wanted = !state.managed && message.child("request", Ns.RECEIPTS) != null;
        String id = message.attribute("id");
        return new Delivery(notification, number, wanted ? id == null ? notification.id() : id : null);
    }

    /** Notifications and answers come from the server itself: other accounts cannot make them. */
    private boolean isServer(String from) {
        int slash = state.jid.indexOf('/');
        String bare = slash < 0 ? state.jid : state.jid.substring(0, slash);
        return from == null || from.equals(state.domain) || from.equals(state.jid) || from.equals(bare);
    }

    private void iq(Element iq) throws StreamException {
        String type = String.valueOf(iq.attribute("type"));
        String id = iq.attribute("id");
        if (type.equals("result") || type.equals("error")) {
            Consumer<Element> question = isServer(iq.attribute("from")) ? state.questions.remove(id) : null;
            if (question != null) {
                question.accept(iq);
            }
            return;
        }
        Element reply = new Element("iq", Ns.CLIENT).with("to", iq.attribute("from")).with("id", id);
        Element query = iq.child("query", Ns.DISCO_INFO);
        if (type.equals("get") && iq.child("ping", Ns.PING) != null) {
            reply.with("type", "result");
        } else if (type.equals("get") && query != null) {
            Element info = new Element("query", Ns.DISCO_INFO).with("node", query.attribute("node"));
            Element identity = new Element("identity", Ns.DISCO_INFO).with("category", "client").with("type", "phone");
            info.with(identity.with("name", "Tidings"));
            for (String feature : new String[] {Ns.DISCO_INFO, Ns.PING, Ns.PUSH, Ns.RECEIPTS}) {
                info.with(new Element("feature", Ns.DISCO_INFO).with("var", feature));
            }
            reply.with("type", "result").with(info);
        } else {
            Element error = new Element("error", Ns.CLIENT).with("type", "cancel");
            reply.with("type", "error").with(error.with(new Element("service-unavailable", Ns.STANZAS)));
        }
        send(reply, null);
    }

    // ---- what we say ----

    /** Whether a person uses the device (XEP-0352). */
    void setActive(boolean active) {
        if (established.clientState && active != toldActive) {
            toldActive = active;
            out.accept(new Element(active ? "active" : "inactive", Ns.CSI).toBytes());
        }
    }

    /** A person opened the notification (XEP-0333). */
    void opened(String id) throws StreamException {
        Element displayed = new Element("displayed", Ns.MARKERS).with("id", id);
        Element message = new Element("message", Ns.CLIENT).with("to", state.domain).with("id", state.nextId());
        send(message.with(displayed), id);
    }

    /** Sends a request; its answer goes to the question, or null where the session is lost. */
    void ask(String type, Element payload, String to, Consumer<Element> question) throws StreamException {
        if (state.questions.size() >= MOST_QUESTIONS) {
            throw new StreamException(Trouble.PROTOCOL, "the server answers nothing");
        }
        String id = state.nextId();
        state.questions.put(id, question);
        send(new Element("iq", Ns.CLIENT).with("type", type).with("id", id).with("to", to).with(payload), null);
    }

    void ping(Consumer<Element> question) throws StreamException {
        answerDue = true;
        ask("get", new Element("ping", Ns.PING), state.domain, answer -> {
            if (answer != null) {
                answered();
            }
            question.accept(answer);
        });
    }

    /** Asks for a sign of life that also says what has arrived. */
    void probe() throws StreamException {
        if (state.managed) {
            requestAck();
        } else {
            ping(answer -> {});
        }
    }

    private void requestAck() {
        answerDue = true;
        out.accept(REQUEST);
    }

    private void answered() {
        answerDue = false;
    }

    /** Whether the server owes an answer. */
    boolean isAnswerDue() {
        return answerDue;
    }

    boolean isOnline() {
        return online;
    }

    /** The device has this for good. */
    void done(Delivery delivery) throws StreamException {
        state.inbound.complete(delivery.number);
        if (delivery.receiptFor != null) {
            Element received = new Element("received", Ns.RECEIPTS).with("id", delivery.receiptFor);
            send(new Element("message", Ns.CLIENT).with("to", state.domain).with("id", state.nextId()).with(received), null);
        }
    }

    /** Acknowledges what has been dealt with, if that is news or was asked for. */
    void acknowledge() {
        int handled = state.handled();
        if (state.managed && (ackDue || handled != acked)) {
            ackDue = false;
            acked = handled;
            out.accept(new Element("a", Ns.SM).with("h", Integer.toUnsignedString(handled)).toBytes());
        }
    }

    private void send(Element stanza, String opened) throws StreamException {
        byte[] bytes = stanza.toBytes();
        out.accept(bytes);
        if (!state.managed) {
            return;
        }
        int kept = state.keep(bytes, opened);
        if (kept > MOST_IN_FLIGHT) {
            throw new StreamException(Trouble.PROTOCOL, "the server acknowledges nothing");
        }
        if (kept % ASK_AFTER == 0) {
            requestAck();
        }
    }

    /** The end in good order: the server need not keep the session. */
    void close() throws StreamException {
        acknowledge();
        send(new Element("presence", Ns.CLIENT).with("type", "unavailable"), null);
        out.accept("</stream:stream>".getBytes(StandardCharsets.US_ASCII));
    }
}
