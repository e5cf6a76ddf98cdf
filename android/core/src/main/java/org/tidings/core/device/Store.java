package org.tidings.core.device;

import java.io.IOException;
import java.util.Collection;
import java.util.List;
import org.tidings.core.Notification;

/**
 * Keeps what must outlive the process, for one server. What a method was given is durable when it returns, unless
 * it says otherwise; a method that throws has changed nothing that matters.
 */
public interface Store {
    /** The account, or null where there is none yet. */
    Account account() throws IOException;

    void saveAccount(Account account) throws IOException;

    /** The ids of the last notifications that were saved, the oldest first: {@link SeenRing#SIZE} of them or more. */
    List<String> recentIds() throws IOException;

    /** Keeps notifications, all or none of them, and their ids among the recent ones. */
    void save(List<Notification> notifications) throws IOException;

    /** Those saved and not marked as shown, the oldest first. */
    List<Notification> unshown() throws IOException;

    /** The app has it. A crash may undo this: it is then shown once more. */
    void shown(String id) throws IOException;

    /** The topics that the device wants. */
    List<String> topics() throws IOException;

    void saveTopics(Collection<String> topics) throws IOException;

    /** What {@link Keepalive} learned, as it wrote it, or null. A crash may lose it. */
    String keepalive() throws IOException;

    void saveKeepalive(String learned) throws IOException;
}
