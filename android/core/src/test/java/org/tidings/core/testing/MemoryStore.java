package org.tidings.core.testing;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.tidings.core.Notification;
import org.tidings.core.device.Account;
import org.tidings.core.device.Store;

/** A disk that outlives engines, may be full, and may take the process with it. */
public final class MemoryStore implements Store {
    /** The process dies. */
    public static final class Killed extends Error {
        private static final long serialVersionUID = 1;
    }

    public boolean full;
    /** How many steps the process still lives; negative for ever. */
    public int stepsToLive = -1;
    public int saves;
    public Account account;
    public final List<String> recent = new ArrayList<>();
    public final Map<String, Notification> unshown = new LinkedHashMap<>();
    public List<String> topics = new ArrayList<>();
    public String keepalive;

    /** A point at which the process may die. */
    public void step() {
        if (stepsToLive == 0) {
            throw new Killed();
        }
        if (stepsToLive > 0) {
            stepsToLive--;
        }
    }

    private void write() throws IOException {
        if (full) {
            throw new IOException("no space left on device");
        }
    }

    @Override
    public Account account() {
        return account;
    }

    @Override
    public void saveAccount(Account account) throws IOException {
        write();
        this.account = account;
    }

    @Override
    public List<String> recentIds() {
        return new ArrayList<>(recent);
    }

    @Override
    public void save(List<Notification> notifications) throws IOException {
        step();
        write();
        for (Notification notification : notifications) {
            recent.add(notification.id());
            unshown.put(notification.id(), notification);
        }
        saves++;
        step();
    }

    @Override
    public List<Notification> unshown() {
        return new ArrayList<>(unshown.values());
    }

    @Override
    public void shown(String id) throws IOException {
        step();
        write();
        unshown.remove(id);
        step();
    }

    @Override
    public List<String> topics() {
        return topics;
    }

    @Override
    public void saveTopics(Collection<String> topics) throws IOException {
        write();
        this.topics = new ArrayList<>(topics);
    }

    @Override
    public String keepalive() {
        return keepalive;
    }

    @Override
    public void saveKeepalive(String learned) throws IOException {
        write();
        keepalive = learned;
    }
}
