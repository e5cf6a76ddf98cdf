package org.tidings.client;

import java.util.List;

/** Hears which topics the server has for the account; called on the main thread. */
public interface TopicsCallback {
    void onTopics(List<String> topics);

    /** @param condition as for {@link ResultCallback} */
    void onRefused(String condition);
}
