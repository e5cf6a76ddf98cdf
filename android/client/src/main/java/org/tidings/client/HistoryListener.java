package org.tidings.client;

/** Hears that the history has changed in any way; called on the main thread. */
public interface HistoryListener {
    void onHistoryChanged();
}
