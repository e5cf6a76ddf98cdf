package org.tidings.core.xml;

import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.CharsetDecoder;
import java.nio.charset.CodingErrorAction;
import java.nio.charset.StandardCharsets;

/** Knows which characters XML has, and how they are escaped and read back. */
final class XmlChars {
    private static final char REPLACEMENT = '\ufffd';

    private final CharsetDecoder utf8 = StandardCharsets.UTF_8.newDecoder()
            .onMalformedInput(CodingErrorAction.REPORT)
            .onUnmappableCharacter(CodingErrorAction.REPORT);

    /** Decodes UTF-8 strictly, and refuses what XML 1.0 section 2.2 does not have. */
    String decode(byte[] bytes, int from, int to) throws XmlException {
        String text;
        try {
            text = utf8.decode(ByteBuffer.wrap(bytes, from, to - from)).toString();
        } catch (CharacterCodingException e) {
            throw new XmlException("the stream is not UTF-8");
        }
        for (int i = 0; i < text.length(); i++) {
            if (!isChar(text.charAt(i))) {
                throw new XmlException("a character that XML does not have");
            }
        }
        return text;
    }

    /** Whether a UTF-16 unit may stand in XML; surrogates are in pairs after decoding. */
    private static boolean isChar(char c) {
        return c >= ' ' ? c < '\ufffe' : c == '\t' || c == '\n' || c == '\r';
    }

    private static boolean isCodePoint(int c) {
        return c < 0x10000 ? isChar((char) c) && !Character.isSurrogate((char) c) : c <= 0x10ffff;
    }

    /** Replaces references, and makes one line feed of each line ending (section 2.11). */
    static String unescape(String text, boolean attribute) throws XmlException {
        if (text.indexOf('&') < 0 && text.indexOf('\r') < 0 && !(attribute && hasSpace(text))) {
            return text;
        }
        StringBuilder out = new StringBuilder(text.length());
        for (int i = 0; i < text.length(); i++) {
            char c = text.charAt(i);
            if (c == '&') {
                int end = text.indexOf(';', i);
                if (end < 0 || end - i > 12) {
                    throw new XmlException("a reference without an end");
                }
                reference(text.substring(i + 1, end), out);
                i = end;
            } else if (c == '\r') {
                if (i + 1 < text.length() && text.charAt(i + 1) == '\n') {
                    i++;
                }
                out.append(attribute ? ' ' : '\n');
            } else {
                out.append(attribute && (c == '\n' || c == '\t') ? ' ' : c);
            }
        }
        return out.toString();
    }

    private static boolean hasSpace(String text) {
        return text.indexOf('\n') >= 0 || text.indexOf('\t') >= 0;
    }

    private static void reference(String name, StringBuilder out) throws XmlException {
        switch (name) {
            case "lt": out.append('<'); return;
            case "gt": out.append('>'); return;
            case "amp": out.append('&'); return;
            case "apos": out.append('\''); return;
            case "quot": out.append('"'); return;
            default:
        }
        boolean hex = name.startsWith("#x");
        if (!name.startsWith("#") || name.length() == (hex ? 2 : 1)) {
            throw new XmlException("an entity that a stream may not have");
        }
        int code = 0;
        for (int i = hex ? 2 : 1; i < name.length(); i++) {
            char c = name.charAt(i);
            int digit = c < 0x80 ? Character.digit(c, hex ? 16 : 10) : -1;
            code = digit < 0 || code > 0x10ffff ? -1 : code * (hex ? 16 : 10) + digit;
            if (code < 0) {
                throw new XmlException("a reference to no character");
            }
        }
        if (!isCodePoint(code)) {
            throw new XmlException("a reference to a character that XML does not have");
        }
        out.appendCodePoint(code);
    }

    /** Whether a name fits XML's {@code NCName}. */
    static boolean isName(String name) {
        if (name.isEmpty()) {
            return false;
        }
        int c;
        for (int i = 0; i < name.length(); i += Character.charCount(c)) {
            c = name.codePointAt(i);
            if (!(isNameStart(c) || i > 0 && isNameRest(c))) {
                return false;
            }
        }
        return true;
    }

    private static boolean isNameStart(int c) {
        return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_'
                || c >= 0xc0 && c <= 0x2ff && c != 0xd7 && c != 0xf7
                || c >= 0x370 && c <= 0x1fff && c != 0x37e || c == 0x200c || c == 0x200d
                || c >= 0x2070 && c <= 0x218f || c >= 0x2c00 && c <= 0x2fef || c >= 0x3001 && c <= 0xd7ff
                || c >= 0xf900 && c <= 0xfdcf || c >= 0xfdf0 && c <= 0xfffd || c >= 0x10000 && c <= 0xeffff;
    }

    private static boolean isNameRest(int c) {
        return c >= '0' && c <= '9' || c == '-' || c == '.' || c == 0xb7 || c >= 0x300 && c <= 0x36f
                || c == 0x203f || c == 0x2040;
    }

    /** Appends text; what XML cannot carry becomes U+FFFD. */
    static void escapeText(String text, StringBuilder out) {
        escape(text, false, out);
    }

    /** Appends an attribute's value, for either kind of quotes. */
    static void escapeAttribute(String value, StringBuilder out) {
        escape(value, true, out);
    }

    private static void escape(String text, boolean attribute, StringBuilder out) {
        for (int i = 0; i < text.length(); i++) {
            char c = text.charAt(i);
            switch (c) {
                case '<': out.append("&lt;"); break;
                case '>': out.append("&gt;"); break;
                case '&': out.append("&amp;"); break;
                case '\r': out.append("&#13;"); break;
                case '\'': out.append(attribute ? "&apos;" : "'"); break;
                case '"': out.append(attribute ? "&quot;" : "\""); break;
                case '\t': out.append(attribute ? "&#9;" : "\t"); break;
                case '\n': out.append(attribute ? "&#10;" : "\n"); break;
                default:
                    if (Character.isHighSurrogate(c) && i + 1 < text.length()
                            && Character.isLowSurrogate(text.charAt(i + 1))) {
                        out.append(c).append(text.charAt(++i));
                    } else {
                        out.append(isChar(c) && !Character.isSurrogate(c) ? c : REPLACEMENT);
                    }
            }
        }
    }
}
