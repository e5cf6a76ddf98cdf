package org.tidings.core.sm;

import java.util.ArrayDeque;
import java.util.HashSet;
import java.util.Set;

/**
 * Counts what the server sent and what of it has been dealt with: {@code h} says that everything
 * up to a stanza was, so a stanza counts only once all before it do (XEP-0198 section 4).
 */
public final class HandledWindow {
    private int handled;
    /** The numbers after {@code handled} that came, in order. */
    private final ArrayDeque<Integer> outstanding = new ArrayDeque<>();
    private final Set<Integer> done = new HashSet<>();

    public HandledWindow(int start) {
        handled = start;
    }

    /** A stanza came; returns its number, the first one's being 1. */
    public int receive() {
        int number = handled + outstanding.size() + 1;
        outstanding.addLast(number);
        return number;
    }

    /** The stanza of that number has been dealt with. Of no effect for any other number. */
    public void complete(int number) {
        long ahead = Integer.toUnsignedLong(number - handled - 1);
        if (ahead >= outstanding.size()) {
            return;
        }
        done.add(number);
        while (!outstanding.isEmpty() && done.remove(outstanding.peekFirst())) {
            handled = outstanding.removeFirst();
        }
    }

    /** {@code h}. */
    public int handled() {
        return handled;
    }

    /** How many stanzas came that {@code h} does not include. */
    public int outstanding() {
        return outstanding.size();
    }

    /** The session is resumed: the server sends everything after {@code h} again. */
    public void rewind() {
        outstanding.clear();
        done.clear();
    }
}
