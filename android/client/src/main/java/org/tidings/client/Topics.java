package org.tidings.client;

/** The topics that this device subscribes to; they are kept, and said to every account that it may have. */
public interface Topics {
    /** Asks the server for the topics of the account. */
    void list(TopicsCallback callback);

    void subscribe(String topic, @Nullable ResultCallback callback);

    void unsubscribe(String topic, @Nullable ResultCallback callback);
}
