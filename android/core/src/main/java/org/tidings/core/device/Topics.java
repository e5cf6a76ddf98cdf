package org.tidings.core.device;

import java.io.IOException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** The topics that the device wants or no longer wants, and what the server has confirmed of that. */
final class Topics {
    /** Topics that a device may want. */
    static final int MOST = 1000;

    /** One topic. */
    static final class Topic {
        boolean wanted;
        boolean asked;
        Answer answer;
    }

    private final Store store;
    private final Map<String, Topic> topics = new LinkedHashMap<>();

    Topics(Store store) {
        this.store = store;
    }

    void start() throws IOException {
        for (String name : store.topics()) {
            if (topics.size() < MOST) {
                want(name, true, null);
            }
        }
    }

    /** Wants a topic, or no longer; an earlier wish's answer is that it was replaced. */
    void wish(String name, boolean wanted, Answer answer) throws IOException {
        if (name.isEmpty() || name.length() > 256 || topics.size() >= MOST && !topics.containsKey(name)) {
            answer.refused("not-acceptable");
            return;
        }
        Topic before = topics.get(name);
        want(name, wanted, answer);
        if (before == null || before.wanted != wanted) {
            save();
        }
        if (before != null && before.answer != null) {
            before.answer.refused("replaced");
        }
    }

    private void want(String name, boolean wanted, Answer answer) {
        Topic topic = new Topic();
        topic.wanted = wanted;
        topic.answer = answer;
        topics.put(name, topic);
    }

    private void save() throws IOException {
        List<String> wanted = new ArrayList<>();
        for (Map.Entry<String, Topic> entry : topics.entrySet()) {
            if (entry.getValue().wanted) {
                wanted.add(entry.getKey());
            }
        }
        store.saveTopics(wanted);
    }

    /** A new session knows nothing of what was asked for in the last one. */
    void sessionBegins() {
        for (Topic topic : topics.values()) {
            topic.asked = false;
        }
    }

    /** Those to ask for now; they count as asked for. */
    Map<String, Topic> takeOpen() {
        Map<String, Topic> open = new LinkedHashMap<>();
        for (Map.Entry<String, Topic> entry : topics.entrySet()) {
            if (!entry.getValue().asked) {
                entry.getValue().asked = true;
                open.put(entry.getKey(), entry.getValue());
            }
        }
        return open;
    }

    /** The server answered; {@code error} is null where it agreed. {@code later}: it may agree another time. */
    void answered(String name, Topic topic, String error, boolean later) throws IOException {
        boolean current = topics.get(name) == topic;
        if (current && (error == null ? !topic.wanted : !later)) {
            topics.remove(name);
            if (topic.wanted) {
                save();
            }
        }
        Answer answer = topic.answer;
        topic.answer = null;
        if (answer != null && error == null) {
            answer.done();
        } else if (answer != null) {
            answer.refused(error);
        }
    }
}
