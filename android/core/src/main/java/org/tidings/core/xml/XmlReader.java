package org.tidings.core.xml;

import java.nio.charset.StandardCharsets;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Deque;
import java.util.List;
import java.util.Map;

/**
 * Reads a stream as its bytes come: its header, then whole stanzas, never more than the limits.
 *
 * <p>It takes the subset of XML that RFC 6120 section 11 leaves: no document types, no entities
 * beyond the five, no comments, no processing instructions. After an exception it reads no more.
 */
public final class XmlReader {
    /** Hears what the stream says. */
    public interface Handler {
        /** The stream's header, without what follows. */
        void opened(Element header) throws XmlException;

        void stanza(Element stanza);

        /** The stream's end tag. */
        void ended();
    }

    private static final byte[] CDATA = {'<', '!', '[', 'C', 'D', 'A', 'T', 'A', '['};

    private final XmlLimits limits;
    private final XmlChars chars = new XmlChars();
    private final Deque<Tag> levels = new ArrayDeque<>();
    /** The tag or text that is not whole yet. */
    private byte[] token = new byte[256];
    private int length;
    /** What the current stanza has cost so far. */
    private int used;
    private int quote;
    private boolean ended;
    private boolean broken;
    /** Bytes have come, so there may be no declaration any more. */
    private boolean begun;

    public XmlReader(XmlLimits limits) {
        this.limits = limits;
    }

    /** Whether the stream's end tag has come. */
    public boolean hasEnded() {
        return ended;
    }

    /** Another stream begins with the next byte: after a login by RFC 6120. */
    public void restart() {
        levels.clear();
        length = 0;
        used = 0;
        quote = 0;
        begun = false;
        ended = false;
    }

    /**
     * Reads bytes and hands over what they complete, stanza by stanza.
     *
     * @throws XmlException when the stream cannot go on; what came before was handed over
     */
    public void read(byte[] bytes, int from, int to, Handler handler) throws XmlException {
        if (broken) {
            throw new XmlException("the stream is broken");
        }
        broken = true;
        for (int i = from; i < to; i++) {
            take(bytes[i], handler);
        }
        broken = false;
    }

    private void take(byte b, Handler handler) throws XmlException {
        if (ended) {
            if (!Tag.isSpace(b)) {
                throw new XmlException("more after the stream's end");
            }
            return;
        }
        boolean inTag = length > 0 && token[0] == '<';
        if (!inTag && b == '<' && length > 0) {
            text();
        }
        if (levels.size() < 2 && length == 0 && Tag.isSpace(b)) {
            // White space between stanzas keeps a connection alive and means nothing.
            return;
        }
        if (levels.size() < 2 && length == 0 && b != '<') {
            throw new XmlException("text between stanzas");
        }
        if (++used > limits.bytes) {
            throw new XmlException("a stanza of more than " + limits.bytes + " bytes");
        }
        if (length == token.length) {
            token = Arrays.copyOf(token, Math.min(2 * length, limits.bytes));
        }
        token[length++] = b;
        if (token[0] == '<') {
            tagByte(b, handler);
        }
    }

    /** One more byte of something that begins with an angle bracket. */
    private void tagByte(byte b, Handler handler) throws XmlException {
        if (length > 1 && token[1] == '!') {
            special(b);
        } else if (length > 1 && token[1] == '?') {
            declaration(b);
        } else if (quote != 0) {
            quote = b == quote ? 0 : quote;
        } else if (b == '\'' || b == '"') {
            quote = b;
        } else if (b == '<' && length > 1) {
            throw new XmlException("a tag within a tag");
        } else if (b == '>') {
            begun = true;
            tag(handler);
        }
    }

    /** A CDATA section is text; whatever else begins with {@code <!} is refused at once. */
    private void special(byte b) throws XmlException {
        if (levels.size() < 2 || length <= CDATA.length && b != CDATA[length - 1]) {
            throw new XmlException("a comment, a document type or the like, which a stream may not have");
        }
        boolean end = length >= CDATA.length + 3 && b == '>' && token[length - 2] == ']' && token[length - 3] == ']';
        if (end) {
            String text = chars.decode(token, CDATA.length, length - 3);
            levels.getLast().element.withText(text.replace("\r\n", "\n").replace('\r', '\n'));
            length = 0;
        }
    }

    /** The XML declaration may stand before the header, and nowhere else. */
    private void declaration(byte b) throws XmlException {
        if (begun || length > 128) {
            throw new XmlException("a processing instruction, which a stream may not have");
        }
        if (b == '>') {
            String text = chars.decode(token, 0, length).replace('"', '\'');
            if (!text.startsWith("<?xml ") || !text.contains("version='1.0'") || !text.endsWith("?>")) {
                throw new XmlException("a processing instruction, which a stream may not have");
            }
            begun = true;
            length = 0;
        }
    }

    private void text() throws XmlException {
        String text = chars.decode(token, 0, length);
        if (text.contains("]]>")) {
            throw new XmlException("]]> in text");
        }
        length = 0;
        levels.getLast().element.withText(XmlChars.unescape(text, false));
    }

    private void tag(Handler handler) throws XmlException {
        boolean end = token[1] == '/';
        String text = chars.decode(token, end ? 2 : 1, length - 1);
        length = 0;
        if (end) {
            end(text, handler);
            return;
        }
        Map<String, String> around = levels.isEmpty() ? Tag.outside() : levels.getLast().scope;
        Tag tag = Tag.start(text, around, limits.attributes);
        if (levels.isEmpty()) {
            header(tag, handler);
            return;
        }
        if (levels.size() > limits.depth) {
            throw new XmlException("nested deeper than " + limits.depth);
        }
        if (levels.size() > 1) {
            levels.getLast().element.with(tag.element);
        }
        if (!tag.closed) {
            levels.addLast(tag);
        } else if (levels.size() == 1) {
            stanza(tag.element, handler);
        }
    }

    private void header(Tag tag, Handler handler) throws XmlException {
        if (tag.closed || !tag.element.is("stream", Element.STREAM)) {
            throw new XmlException("no stream begins here but <" + shortened(tag.rawName) + ">");
        }
        levels.addLast(tag);
        used = 0;
        handler.opened(tag.element);
    }

    private void end(String text, Handler handler) throws XmlException {
        int last = text.length();
        while (last > 0 && Tag.isSpace(text.charAt(last - 1))) {
            last--;
        }
        if (levels.isEmpty() || !levels.getLast().rawName.equals(text.substring(0, last))) {
            throw new XmlException("an end tag that ends nothing");
        }
        Element element = levels.removeLast().element;
        if (levels.isEmpty()) {
            ended = true;
            handler.ended();
        } else if (levels.size() == 1) {
            stanza(element, handler);
        }
    }

    private void stanza(Element element, Handler handler) {
        used = 0;
        if (token.length > 4096) {
            token = new byte[256];
        }
        handler.stanza(element);
    }

    private static String shortened(String name) {
        return name.length() > 32 ? name.substring(0, 32) + "…" : name;
    }

    /** Reads whole stanzas as they would stand in a client's stream. */
    public static List<Element> parse(byte[] stanzas) throws XmlException {
        XmlReader reader = new XmlReader(XmlLimits.CLIENT);
        List<Element> read = new ArrayList<>();
        Handler handler = new Handler() {
            @Override
            public void opened(Element header) {}

            @Override
            public void stanza(Element stanza) {
                read.add(stanza);
            }

            @Override
            public void ended() {}
        };
        byte[] header = ("<stream:stream xmlns='" + Element.CLIENT + "' xmlns:stream='" + Element.STREAM + "'>").getBytes(
                StandardCharsets.US_ASCII);
        reader.read(header, 0, header.length, handler);
        reader.read(stanzas, 0, stanzas.length, handler);
        if (reader.ended || reader.levels.size() != 1 || reader.length > 0) {
            throw new XmlException("a stanza without an end");
        }
        return read;
    }
}
