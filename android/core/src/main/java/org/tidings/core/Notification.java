package org.tidings.core;

import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import org.tidings.core.stream.Ns;
import org.tidings.core.xml.Element;

/** What a back end sent to this device. Every field but the id may be missing. */
public final class Notification {
    /** How urgent it is. */
    public enum Priority {
        /** May wait until the device is in use. */
        LOW,
        NORMAL,
        /** At once. */
        HIGH
    }

    private final Element element;
    private final Map<String, String> data = new LinkedHashMap<>();

    private Notification(Element element) {
        this.element = element;
        for (Element child : element.children()) {
            if (child.is("data", Ns.PUSH) && child.attribute("key") != null) {
                data.put(child.attribute("key"), child.text());
            }
        }
    }

    /** Reads a {@code <notification/>}; null where it is none, or has no id. */
    public static Notification of(Element element) {
        boolean one = element != null && element.is("notification", Ns.PUSH);
        String id = one ? element.attribute("id") : null;
        return id == null || id.isEmpty() ? null : new Notification(element);
    }

    /** As it came, with what this version does not know. */
    public Element toElement() {
        return element;
    }

    /** The same at every delivery. */
    public String id() {
        return element.attribute("id");
    }

    public String title() {
        return element.childText("title", Ns.PUSH);
    }

    public String message() {
        return element.childText("message", Ns.PUSH);
    }

    /** What opens on a tap. It is whatever the back end wrote: check its scheme before use. */
    public String uri() {
        return element.childText("uri", Ns.PUSH);
    }

    /** A picture's address. */
    public String image() {
        return element.childText("image", Ns.PUSH);
    }

    /** What the app reads. */
    public Map<String, String> data() {
        return Collections.unmodifiableMap(data);
    }

    public Priority priority() {
        String name = element.attribute("priority");
        return "low".equals(name) ? Priority.LOW : "high".equals(name) ? Priority.HIGH : Priority.NORMAL;
    }

    /** The topic that it was sent to. */
    public String topic() {
        return element.attribute("topic");
    }

    /** When it was sent: RFC 3339, UTC. */
    public String sentAt() {
        return element.attribute("sent");
    }

    /** When it is over: RFC 3339, UTC. */
    public String expiresAt() {
        return element.attribute("expires");
    }

    @Override
    public String toString() {
        return "Notification(" + id() + ")";
    }
}
