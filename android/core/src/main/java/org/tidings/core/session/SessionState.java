package org.tidings.core.session;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import org.tidings.core.sm.AckWindow;
import org.tidings.core.sm.HandledWindow;
import org.tidings.core.stream.Established;
import org.tidings.core.xml.Element;

/** What of a session outlives its connection, so that the next one can go on with it (XEP-0198). */
public final class SessionState {
    /** A stanza of ours that the server has not acknowledged. */
    private static final class Sent {
        final byte[] bytes;
        final String opened;

        Sent(byte[] bytes, String opened) {
            this.bytes = bytes;
            this.opened = opened;
        }
    }

    final String jid;
    final String domain;
    final boolean managed;
    final String resumeId;
    final HandledWindow inbound = new HandledWindow(0);
    final Map<String, Consumer<Element>> questions = new LinkedHashMap<>();
    private final AckWindow outbound = new AckWindow(0);
    private final Deque<Sent> sent = new ArrayDeque<>();
    private long ids;

    SessionState(Established established) {
        jid = established.jid;
        domain = established.domain;
        managed = established.managed;
        resumeId = established.resumeId;
    }

    /** The name under which the session may go on, or null. */
    public String resumeId() {
        return resumeId;
    }

    /** How many of the server's stanzas have been dealt with. */
    public int handled() {
        return inbound.handled();
    }

    String nextId() {
        return "t" + ++ids;
    }

    /** Keeps a stanza until the server has it; returns how many are kept. */
    int keep(byte[] bytes, String opened) {
        outbound.send();
        sent.addLast(new Sent(bytes, opened));
        return sent.size();
    }

    /** The server has handled everything up to {@code h}; false where that cannot be. */
    boolean acknowledge(int h) {
        long newly = outbound.acknowledge(h);
        for (long i = 0; i < newly; i++) {
            sent.removeFirst();
        }
        return newly >= 0;
    }

    /** What the server does not have yet, in order. */
    List<byte[]> unacknowledged() {
        List<byte[]> all = new ArrayList<>();
        for (Sent one : sent) {
            all.add(one.bytes);
        }
        return all;
    }

    /** The session is lost: whoever waits for an answer in it hears null. */
    public void abandon() {
        List<Consumer<Element>> all = new ArrayList<>(questions.values());
        questions.clear();
        for (Consumer<Element> question : all) {
            question.accept(null);
        }
    }

    /** The notifications that a person opened, of which the server may not know. */
    public List<String> unacknowledgedOpened() {
        List<String> ids = new ArrayList<>();
        for (Sent one : sent) {
            if (one.opened != null) {
                ids.add(one.opened);
            }
        }
        return ids;
    }
}
