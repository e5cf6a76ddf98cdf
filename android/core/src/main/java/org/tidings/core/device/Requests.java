package org.tidings.core.device;

import java.io.IOException;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Deque;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import org.tidings.core.session.Connection;
import org.tidings.core.session.SessionState;
import org.tidings.core.stream.Errors;
import org.tidings.core.stream.Ns;
import org.tidings.core.stream.StreamException;
import org.tidings.core.xml.Element;

/** What the app wants said to the server: kept until there is a connection, and said again where a session was lost. */
final class Requests {
    /** Ids of opened notifications that wait for a connection; the oldest go first. */
    private static final int MOST_OPENED = 256;

    private final Topics topics;
    private final Consumer<IOException> storeFailed;
    private final Deque<String> opened = new ArrayDeque<>();

    Requests(Store store, Consumer<IOException> storeFailed) {
        this.topics = new Topics(store);
        this.storeFailed = storeFailed;
    }

    void start() throws IOException {
        topics.start();
    }

    void opened(String id) {
        if (opened.size() == MOST_OPENED) {
            opened.removeFirst();
        }
        opened.addLast(id);
    }

    void wish(String topic, boolean wanted, Answer answer) {
        try {
            topics.wish(topic, wanted, answer);
        } catch (IOException e) {
            storeFailed.accept(e);
        }
    }

    /** A session begins in the place of this one, or of none. */
    void sessionBegins(SessionState lost) {
        topics.sessionBegins();
        if (lost != null) {
            List<String> again = lost.unacknowledgedOpened();
            for (int i = again.size() - 1; i >= 0; i--) {
                opened.addFirst(again.get(i));
            }
            lost.abandon();
        }
    }

    /** Says what waits. */
    void say(Connection to, long now) throws StreamException {
        boolean said = !opened.isEmpty();
        while (!opened.isEmpty()) {
            to.opened(opened.removeFirst());
        }
        for (Map.Entry<String, Topics.Topic> entry : topics.takeOpen().entrySet()) {
            Topics.Topic topic = entry.getValue();
            Element request = new Element(topic.wanted ? "subscribe" : "unsubscribe", Ns.PUSH).with("topic", entry.getKey());
            to.ask("set", request, iq -> topicAnswered(entry.getKey(), topic, iq));
            said = true;
        }
        if (said) {
            to.probe(now);
        }
    }

    private void topicAnswered(String name, Topics.Topic topic, Element iq) {
        if (iq == null) {
            return;
        }
        boolean agreed = "result".equals(iq.attribute("type"));
        Element error = iq.child("error", Ns.CLIENT);
        boolean later = error != null && "wait".equals(error.attribute("type"));
        try {
            topics.answered(name, topic, agreed ? null : Errors.stanza(iq), later);
        } catch (IOException e) {
            storeFailed.accept(e);
        }
    }

    void list(Connection to, TopicList list, long now) throws StreamException {
        to.ask("get", new Element("subscriptions", Ns.PUSH), iq -> {
            Element all = iq == null ? null : iq.child("subscriptions", Ns.PUSH);
            if (all == null || !"result".equals(iq.attribute("type"))) {
                list.refused(iq == null ? "lost" : Errors.stanza(iq));
                return;
            }
            List<String> names = new ArrayList<>();
            for (Element child : all.children()) {
                if (child.is("topic", Ns.PUSH)) {
                    names.add(child.text());
                }
            }
            list.topics(Collections.unmodifiableList(names));
        });
        to.probe(now);
    }

    void ping(Connection to, Answer answer, long now) throws StreamException {
        to.ping(iq -> {
            if (iq == null) {
                answer.refused("lost");
            } else {
                answer.done();
            }
        }, now);
    }
}
