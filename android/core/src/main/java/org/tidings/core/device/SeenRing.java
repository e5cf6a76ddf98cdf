package org.tidings.core.device;

import java.util.Iterator;
import java.util.LinkedHashSet;
import java.util.Set;

/** The ids of the last notifications, so that one that comes again after a crash or a reconnect is not shown again. */
public final class SeenRing {
    /** How many ids are remembered. */
    public static final int SIZE = 1000;
    /** Longer ids are not remembered: no server of ours makes them. */
    public static final int MAX_ID = 256;

    private final Set<String> ids = new LinkedHashSet<>();

    boolean contains(String id) {
        return ids.contains(id);
    }

    void add(String id) {
        if (id.length() > MAX_ID || !ids.add(id) || ids.size() <= SIZE) {
            return;
        }
        Iterator<String> oldest = ids.iterator();
        oldest.next();
        oldest.remove();
    }
}
