package org.tidings.core.session;

import java.io.ByteArrayOutputStream;
import java.util.function.Consumer;
import org.tidings.core.sasl.ChannelBinding;
import org.tidings.core.stream.Established;
import org.tidings.core.stream.Login;
import org.tidings.core.stream.Negotiation;
import org.tidings.core.stream.StreamException;
import org.tidings.core.stream.Trouble;
import org.tidings.core.xml.Element;
import org.tidings.core.xml.XmlException;
import org.tidings.core.xml.XmlLimits;
import org.tidings.core.xml.XmlReader;

/**
 * One connection under TLS as a state machine: bytes and time in, bytes and events out.
 *
 * <p>It has no socket, no clock and no thread. After an exception the connection is over; the
 * session may go on with the next one.
 */
public final class Connection {
    /** Hears what happens. Called within the methods of the connection, which may be used in turn. */
    public interface Events {
        /** The account is going to be registered with this name: the server has not heard of it yet. */
        void named(String username);

        /** The account exists now. */
        void registered();

        /** The login is over and the server proved itself; stanzas may be sent. */
        void established(Established established);

        /** The session works: the server has answered in it. */
        void online();

        /** A notification came; {@link Connection#done} says when the device has it. */
        void received(Delivery delivery);
    }

    /** How long things may take, in milliseconds. */
    public static final class Pace {
        /** From the first byte to a session. */
        public final long negotiation;
        /** For an answer to a sign of life. */
        public final long answer;

        public Pace(long negotiation, long answer) {
            this.negotiation = negotiation;
            this.answer = answer;
        }
    }

    private static final long NEVER = Long.MAX_VALUE;
    /** A wake-up that comes so late means that the device slept, and the answer may lie there unread. */
    private static final long OVERSLEPT = 5_000;

    private final XmlReader reader = new XmlReader(XmlLimits.CLIENT);
    private final ByteArrayOutputStream out = new ByteArrayOutputStream();
    private final Negotiation negotiation;
    private final Events events;
    private final Pace pace;
    private final boolean active;
    private SessionState state;
    private Session session;
    private StreamException failure;

    private long silence;
    private long heardAt;
    private long answerBy = NEVER;
    private boolean overslept;
    private boolean probing;
    private long probedAfter;

    /**
     * @param before the session that the login wants to go on with, or null
     * @param silence after how many silent milliseconds the link is probed
     */
    public Connection(Login login, ChannelBinding tls, SessionState before, boolean active, long silence, Pace pace,
            Events events, long now) {
        this.state = before;
        this.active = active;
        this.silence = silence;
        this.pace = pace;
        this.events = events;
        this.heardAt = now;
        this.answerBy = now + pace.negotiation;
        this.negotiation = new Negotiation(login, tls, this::write, reader::restart);
        negotiation.start();
    }

    private void write(byte[] bytes) {
        out.write(bytes, 0, bytes.length);
    }

    /** What is to be sent; it is taken with that. */
    public byte[] takeOutput() {
        byte[] bytes = out.toByteArray();
        out.reset();
        return bytes;
    }

    /** What outlives this connection, or null where there is no session yet. */
    public SessionState state() {
        return state;
    }

    public boolean isOnline() {
        return session != null && session.isOnline();
    }

    /** The server sent bytes. */
    public void receive(byte[] bytes, int from, int to, long now) throws StreamException {
        heardAt = now;
        if (session != null && answerBy != NEVER) {
            // A link that brings something is not dead, however long the answer takes on it.
            answerBy = Math.max(answerBy, now + pace.answer);
        }
        try {
            reader.read(bytes, from, to, handler);
        } catch (XmlException e) {
            if (failure == null) {
                failure = new StreamException(Trouble.PROTOCOL, "the server does not speak XMPP: " + e.getMessage());
            }
        }
        check();
        settleAnswer(now);
    }

    /** What is heard while the reader reads. */
    private final XmlReader.Handler handler = new XmlReader.Handler() {
        @Override
        public void opened(Element header) throws XmlException {
            attempt(() -> negotiation.opened(header));
        }

        @Override
        public void stanza(Element stanza) {
            if (failure == null) {
                attempt(() -> take(stanza));
            }
        }

        @Override
        public void ended() {
            attempt(() -> {
                throw new StreamException(Trouble.CLOSED, "the server ended the stream");
            });
        }
    };

    /** Something that the stream may end with. */
    private interface Attempt {
        void run() throws StreamException;
    }

    private void attempt(Attempt attempt) {
        try {
            attempt.run();
        } catch (StreamException e) {
            failure = failure == null ? e : failure;
        }
    }

    private void check() throws StreamException {
        if (failure != null) {
            throw failure;
        }
    }

    private void take(Element element) throws StreamException {
        if (session != null) {
            session.take(element);
            return;
        }
        Negotiation.Step step = negotiation.take(element);
        if (step == Negotiation.Step.NAMED) {
            events.named(negotiation.username());
        } else if (step == Negotiation.Step.REGISTERED) {
            events.registered();
        } else if (step == Negotiation.Step.READY) {
            begin(negotiation.established());
        }
    }

    private void begin(Established established) throws StreamException {
        if (!established.resumed || state == null) {
            state = new SessionState(established);
        }
        session = new Session(state, established, this::write, events);
        answerBy = NEVER;
        events.established(established);
        session.begin(active);
    }

    // ---- time ----

    /** When {@link #due} is to be called at the latest. */
    public long deadline() {
        return answerBy != NEVER ? answerBy : heardAt + silence;
    }

    /** Whether the server owes something: a step of the login, or a sign of life. */
    public boolean isAnswerDue() {
        return answerBy != NEVER;
    }

    /** A deadline has come. */
    public void due(long now) throws StreamException {
        if (now < deadline()) {
            return;
        }
        if (answerBy == NEVER) {
            probing = true;
            probedAfter = now - heardAt;
            probe(now);
            return;
        }
        if (now - answerBy > OVERSLEPT && !overslept) {
            overslept = true;
            answerBy = now + OVERSLEPT;
            return;
        }
        throw new StreamException(Trouble.TIMEOUT, session == null ? "the server did not answer the login" : "the link is dead");
    }

    /** Asks for a sign of life now. */
    public void probe(long now) throws StreamException {
        if (session != null) {
            session.probe();
            settleAnswer(now);
        }
    }

    private void settleAnswer(long now) {
        if (session == null) {
            return;
        }
        if (!session.isAnswerDue()) {
            answerBy = NEVER;
            overslept = false;
        } else if (answerBy == NEVER) {
            answerBy = now + pace.answer;
        }
    }

    /** The silence that the link has just survived, or -1; it is taken with that. */
    public long takeSurvivedSilence() {
        if (!probing || answerBy != NEVER) {
            return -1;
        }
        probing = false;
        return probedAfter;
    }

    /** The silence before a probe that has no answer yet, or -1. */
    public long unansweredSilence() {
        return probing && answerBy != NEVER ? probedAfter : -1;
    }

    public void setSilence(long silence) {
        this.silence = silence;
    }

    // ---- what the device says ----

    /** These notifications are the device's for good: they are acknowledged. */
    public void done(Iterable<Delivery> deliveries) throws StreamException {
        for (Delivery delivery : deliveries) {
            session.done(delivery);
        }
    }

    /** Acknowledges what has been dealt with, where that is news; called once for all that came together. */
    public void acknowledge() {
        if (session != null) {
            session.acknowledge();
        }
    }

    /** A person opened a notification. {@link #probe} afterwards finds out whether that arrived. */
    public void opened(String id) throws StreamException {
        session.opened(id);
    }

    public void setActive(boolean active) {
        if (session != null) {
            session.setActive(active);
        }
    }

    /** Asks the server; the answer, a result or an error, goes to {@code answer}, or null where the session is lost. */
    public void ask(String type, Element payload, Consumer<Element> answer) throws StreamException {
        session.ask(type, payload, null, answer);
    }

    public void ping(Consumer<Element> answer, long now) throws StreamException {
        session.ping(answer);
        settleAnswer(now);
    }

    /** Ends the session in good order. */
    public void close() throws StreamException {
        if (session != null) {
            session.close();
        }
    }
}
