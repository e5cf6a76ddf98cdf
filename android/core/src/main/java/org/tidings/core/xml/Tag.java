package org.tidings.core.xml;

import java.util.Collections;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.Map;

/** Takes a start or end tag apart, and resolves its names in the scope of those around it. */
final class Tag {
    private static final String XML = "http://www.w3.org/XML/1998/namespace";
    private static final String XMLNS = "http://www.w3.org/2000/xmlns/";
    private static final Map<String, String> OUTSIDE = Collections.singletonMap("xml", XML);

    /** The name as it stands there, which the end tag must repeat. */
    final String rawName;
    final boolean closed;
    final Element element;
    /** Prefix to namespace, for what stands inside; the empty prefix is the default. */
    final Map<String, String> scope;

    private Tag(String rawName, boolean closed, Element element, Map<String, String> scope) {
        this.rawName = rawName;
        this.closed = closed;
        this.element = element;
        this.scope = scope;
    }

    static Map<String, String> outside() {
        return OUTSIDE;
    }

    /** Reads what stands between the angle brackets of a start tag. */
    static Tag start(String text, Map<String, String> around, int maxAttributes) throws XmlException {
        boolean closed = text.endsWith("/");
        String inside = closed ? text.substring(0, text.length() - 1) : text;
        int at = nameEnd(inside, 0);
        String rawName = inside.substring(0, at);
        Map<String, String> raw = new LinkedHashMap<>();
        while (at < inside.length()) {
            int name = skipSpace(inside, at);
            if (name == inside.length()) {
                break;
            }
            if (name == at) {
                throw new XmlException("attributes without a space between them");
            }
            int nameEnd = nameEnd(inside, name);
            int equals = skipSpace(inside, nameEnd);
            boolean assigned = equals < inside.length() && inside.charAt(equals) == '=';
            int quote = assigned ? skipSpace(inside, equals + 1) : inside.length();
            boolean quoted = quote < inside.length() && (inside.charAt(quote) == '\'' || inside.charAt(quote) == '"');
            if (nameEnd == name || !quoted) {
                throw new XmlException("an attribute without a quoted value");
            }
            int end = inside.indexOf(inside.charAt(quote), quote + 1);
            String value = end < 0 ? "<" : inside.substring(quote + 1, end);
            if (value.indexOf('<') >= 0) {
                throw new XmlException("an attribute's value without an end");
            }
            if (raw.size() == maxAttributes) {
                throw new XmlException("more than " + maxAttributes + " attributes");
            }
            if (raw.put(inside.substring(name, nameEnd), XmlChars.unescape(value, true)) != null) {
                throw new XmlException("an attribute that stands there twice");
            }
            at = end + 1;
        }
        return resolve(rawName, closed, raw, around);
    }

    private static Tag resolve(String rawName, boolean closed, Map<String, String> raw, Map<String, String> around)
            throws XmlException {
        Map<String, String> scope = around;
        for (Map.Entry<String, String> attribute : raw.entrySet()) {
            String prefix = declared(attribute.getKey());
            if (prefix != null) {
                if (scope == around) {
                    scope = new HashMap<>(around);
                }
                declare(prefix, attribute.getValue(), scope);
            }
        }
        int colon = rawName.indexOf(':');
        String prefix = colon < 0 ? "" : rawName.substring(0, colon);
        Element element = new Element(local(rawName, colon), namespace(prefix, scope));
        for (Map.Entry<String, String> attribute : raw.entrySet()) {
            String name = attribute.getKey();
            if (declared(name) != null) {
                continue;
            }
            int at = name.indexOf(':');
            String key = local(name, at);
            if (at >= 0) {
                String ns = namespace(name.substring(0, at), scope);
                key = ns.equals(XML) ? "xml:" + key : "{" + ns + "}" + key;
            }
            if (element.attribute(key) != null) {
                throw new XmlException("an attribute that stands there twice");
            }
            element.with(key, attribute.getValue());
        }
        return new Tag(rawName, closed, element, scope);
    }

    /** Which prefix an attribute declares, or null where it is an ordinary one. */
    private static String declared(String attribute) {
        return attribute.equals("xmlns") ? "" : attribute.startsWith("xmlns:") ? attribute.substring(6) : null;
    }

    private static void declare(String prefix, String ns, Map<String, String> scope) throws XmlException {
        boolean named = prefix.isEmpty() || XmlChars.isName(prefix) && !ns.isEmpty();
        boolean reserved = prefix.equals("xmlns") || ns.equals(XMLNS) || prefix.equals("xml") != ns.equals(XML);
        if (!named || reserved) {
            throw new XmlException("a declaration that namespaces do not allow");
        }
        scope.put(prefix, ns);
    }

    private static String namespace(String prefix, Map<String, String> scope) throws XmlException {
        String ns = scope.get(prefix);
        if (ns == null && !prefix.isEmpty()) {
            throw new XmlException("a prefix that was not declared");
        }
        return ns == null ? "" : ns;
    }

    private static String local(String name, int colon) throws XmlException {
        String local = name.substring(colon + 1);
        if (!XmlChars.isName(local) || colon >= 0 && !XmlChars.isName(name.substring(0, colon))) {
            throw new XmlException("a name that XML does not have");
        }
        return local;
    }

    static int skipSpace(String text, int at) {
        while (at < text.length() && isSpace(text.charAt(at))) {
            at++;
        }
        return at;
    }

    private static int nameEnd(String text, int at) {
        while (at < text.length() && !isSpace(text.charAt(at)) && text.charAt(at) != '=') {
            at++;
        }
        return at;
    }

    static boolean isSpace(int c) {
        return c == ' ' || c == '\n' || c == '\r' || c == '\t';
    }
}
