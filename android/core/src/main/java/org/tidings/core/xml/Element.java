package org.tidings.core.xml;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * One element with all that is in it: what the reader makes of a stanza and the writer sends.
 *
 * <p>An attribute without a namespace has its plain name, those of XML itself are
 * {@code xml:lang} and the like, others {@code {namespace}name}.
 */
public final class Element {
    static final String CLIENT = "jabber:client";
    static final String STREAM = "http://etherx.jabber.org/streams";

    private final String name;
    private final String ns;
    private Map<String, String> attributes = Collections.emptyMap();
    /** Elements and strings, in their order; no two strings follow each other. */
    private List<Object> nodes = Collections.emptyList();

    public Element(String name, String ns) {
        this.name = name;
        this.ns = ns;
    }

    public String name() {
        return name;
    }

    public String ns() {
        return ns;
    }

    public boolean is(String name, String ns) {
        return this.name.equals(name) && this.ns.equals(ns);
    }

    /** The attribute's value, or null. */
    public String attribute(String name) {
        return attributes.get(name);
    }

    public Map<String, String> attributes() {
        return Collections.unmodifiableMap(attributes);
    }

    /** The child elements, in their order. */
    public List<Element> children() {
        List<Element> children = new ArrayList<>();
        for (Object node : nodes) {
            if (node instanceof Element) {
                children.add((Element) node);
            }
        }
        return children;
    }

    /** The first such child, or null. */
    public Element child(String name, String ns) {
        for (Object node : nodes) {
            if (node instanceof Element && ((Element) node).is(name, ns)) {
                return (Element) node;
            }
        }
        return null;
    }

    /** The text of the first such child, or null. */
    public String childText(String name, String ns) {
        Element child = child(name, ns);
        return child == null ? null : child.text();
    }

    /** The text that stands in this element itself. */
    public String text() {
        StringBuilder text = new StringBuilder();
        for (Object node : nodes) {
            if (node instanceof String) {
                text.append((String) node);
            }
        }
        return text.toString();
    }

    /** Sets an attribute, or leaves it out where the value is null. */
    public Element with(String attribute, String value) {
        if (value != null) {
            if (attributes.isEmpty()) {
                attributes = new LinkedHashMap<>();
            }
            attributes.put(attribute, value);
        }
        return this;
    }

    /** Adds a child, or nothing where it is null. */
    public Element with(Element child) {
        if (child != null) {
            add(child);
        }
        return this;
    }

    /** Adds text. */
    public Element withText(String text) {
        if (!text.isEmpty()) {
            int last = nodes.size() - 1;
            if (last >= 0 && nodes.get(last) instanceof String) {
                nodes.set(last, nodes.get(last) + text);
            } else {
                add(text);
            }
        }
        return this;
    }

    /** Adds a child of the same namespace with this text, or nothing where it is null. */
    public Element withField(String name, String text) {
        return text == null ? this : with(new Element(name, ns).withText(text));
    }

    private void add(Object node) {
        if (nodes.isEmpty()) {
            nodes = new ArrayList<>(2);
        }
        nodes.add(node);
    }

    /** As it stands in a stream whose default namespace is {@code jabber:client}. */
    public byte[] toBytes() {
        return toString().getBytes(StandardCharsets.UTF_8);
    }

    @Override
    public String toString() {
        StringBuilder out = new StringBuilder(128);
        write(out, CLIENT);
        return out.toString();
    }

    private void write(StringBuilder out, String around) {
        boolean prefixed = ns.equals(STREAM);
        String tag = prefixed ? "stream:" + name : name;
        out.append('<').append(tag);
        if (!prefixed && !ns.equals(around)) {
            attribute("xmlns", ns, out);
        }
        int prefixes = 0;
        for (Map.Entry<String, String> attribute : attributes.entrySet()) {
            String key = attribute.getKey();
            if (key.startsWith("{")) {
                int end = key.indexOf('}');
                String prefix = "n" + prefixes++;
                attribute("xmlns:" + prefix, key.substring(1, end), out);
                key = prefix + ":" + key.substring(end + 1);
            }
            attribute(key, attribute.getValue(), out);
        }
        if (nodes.isEmpty()) {
            out.append("/>");
            return;
        }
        out.append('>');
        for (Object node : nodes) {
            if (node instanceof Element) {
                ((Element) node).write(out, prefixed ? around : ns);
            } else {
                XmlChars.escapeText((String) node, out);
            }
        }
        out.append("</").append(tag).append('>');
    }

    private static void attribute(String name, String value, StringBuilder out) {
        out.append(' ').append(name).append("='");
        XmlChars.escapeAttribute(value, out);
        out.append('\'');
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof Element && name.equals(((Element) other).name) && ns.equals(((Element) other).ns)
                && attributes.equals(((Element) other).attributes) && nodes.equals(((Element) other).nodes);
    }

    @Override
    public int hashCode() {
        return name.hashCode() * 31 + nodes.size();
    }
}
