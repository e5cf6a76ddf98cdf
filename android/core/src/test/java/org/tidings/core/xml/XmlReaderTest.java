package org.tidings.core.xml;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;

/** The cases that the server's reader is held to (crates/xmpp/tests/reading.rs), and the limits. */
class XmlReaderTest {
    static Element read(String text) {
        try {
            List<Element> all = XmlReader.parse(text.getBytes(StandardCharsets.UTF_8));
            assertEquals(1, all.size(), text);
            return all.get(0);
        } catch (XmlException e) {
            throw new AssertionError(text, e);
        }
    }

    private static void refused(byte[] bytes) {
        assertThrows(XmlException.class, () -> {
            List<Element> all = XmlReader.parse(bytes);
            if (all.size() != 1) {
                throw new XmlException("not one");
            }
        }, () -> new String(bytes, StandardCharsets.UTF_8));
    }

    private static void refused(String text) {
        refused(text.getBytes(StandardCharsets.UTF_8));
    }

    private static String repeat(String text, int times) {
        return String.join("", Collections.nCopies(times, text));
    }

    @Test
    void namespacesAreResolved() {
        Element stanza = read("<iq><a xmlns='u' xmlns:p='v'><b/><p:c p:x='1' y='2'/></a><d/><stream:e/><f xmlns=''/></iq>");
        List<String> names = stanza.children().stream().map(child -> child.name() + " " + child.ns()).collect(Collectors.toList());
        assertEquals(Arrays.asList("a u", "d jabber:client", "e " + Element.STREAM, "f "), names);
        Element c = stanza.child("a", "u").child("c", "v");
        assertEquals("{{v}x=1, y=2}", c.attributes().toString());
        assertTrue(read("<iq xmlns='jabber:client' xml:lang='de'/>").is("iq", "jabber:client"));
        assertEquals("de", read("<iq xml:lang='de'/>").attribute("xml:lang"));
        assertTrue(read("<x:iq xmlns:x='jabber:client'/>").is("iq", "jabber:client"));
        Element shadowed = read("<iq><a xmlns='u'><b xmlns='v'/><c/></a></iq>");
        assertTrue(shadowed.child("a", "u").child("c", "u") != null);
    }

    @Test
    void aPrefixEndsWithItsElement() {
        refused("<iq><a xmlns:p='u'/><p:b/></iq>");
        refused("<p:iq/>");
        refused("<iq p:a='1'/>");
    }

    @Test
    void textIsUnescapedAndJoined() {
        Element body = read("<body>a &amp; b&#x20;&lt;<![CDATA[<c>]]&]]>&gt;\ud83d\ude00<i/>d</body>");
        assertEquals("a & b <<c>]]&>\ud83d\ude00d", body.text());
        assertEquals("1\n2\n3", read("<a>1\r\n2\r3</a>").text());
        assertEquals("1 2 3 \n", read("<a b='1\r\n2\t3 &#10;'/>").attribute("b"));
    }

    @Test
    void refusesWhatIsNotOneElement() {
        for (String bad : new String[] {"", "<a/><b/>", "<a>", "<a/>text", "text", "</a>", "<a></b>", "<a", "<a b>", "<a b=c/>",
                "<a b='1' b='2'/>", "<a x:b='1' y:b='2' xmlns:x='u' xmlns:y='u'/>", "<a xmlns='u' xmlns='v'/>", "<a><b></a></b>",
                "<a>]]></a>", "<a b='<'/>", "<a></s>", "<a/></s>", "</s>", "<1/>", "<a:b:c/>", "<:a/>", "<a b='1'c='2'/>",
                "<a>&amp</a>", "<a xmlns:p=''/>", "<a xmlns:xmlns='u'/>", "<a xmlns:xml='u'/>", "<xmlns:a/>", "<a/b>", "< a/>",
                "<a b='1'/ >", "<>", "</>", "<a =''/>", "<a b=''' />"}) {
            refused(bad);
        }
    }

    @Test
    void refusesRestrictedXml() {
        for (String bad : new String[] {"<!DOCTYPE a><a/>", "<a><!-- c --></a>", "<a><?pi x?></a>", "<?xml version='1.0'?><a/>",
                "<a>&lol;</a>", "<a b='&lol;'/>", "<!DOCTYPE l [<!ENTITY l 'l'><!ENTITY m '&l;&l;'>]><a>&m;</a>", "<![CDATA[x]]>",
                "<a><![cdata[x]]></a>", "<a><!ELEMENT a></a>"}) {
            refused(bad);
        }
    }

    @Test
    void refusesCharactersThatXmlDoesNotHave() {
        for (String bad : new String[] {"<a>\0</a>", "<a>\u0001</a>", "<a>&#0;</a>", "<a>&#xFFFE;</a>", "<a>\uffff</a>", "<a b='\u000b'/>",
                "<a>&#xD800;</a>", "<a>&#x110000;</a>", "<a>&#99999999999;</a>", "<a>&#;</a>", "<a>&#x;</a>", "<a>&#-1;</a>", "<a>&#\u0661;</a>"}) {
            refused(bad);
        }
        int[][] bytes = {{0xff}, {0xc0, 0x80}, {0xed, 0xa0, 0x80}, {0xe2, 0x82}, {0xf4, 0x90, 0x80, 0x80}};
        for (int[] bad : bytes) {
            byte[] all = new byte[bad.length + 7];
            System.arraycopy("<a>".getBytes(), 0, all, 0, 3);
            for (int i = 0; i < bad.length; i++) {
                all[3 + i] = (byte) bad[i];
            }
            System.arraycopy("</a>".getBytes(), 0, all, 3 + bad.length, 4);
            refused(all);
        }
    }

    @Test
    void everyLimitHolds() {
        String deepest = repeat("<a>", 64) + repeat("</a>", 64);
        assertEquals(deepest.length() - 3, read(deepest).toBytes().length, "the innermost is written short");
        refused(repeat("<a>", 65) + repeat("</a>", 65));
        refused(repeat("<a>", 100_000));
        assertEquals(90_000, read("<a>" + repeat("x", 90_000) + "</a>").text().length());
        refused("<a>" + repeat("x", 96 * 1024) + "</a>");
        refused("<a b='" + repeat("x", 96 * 1024) + "'/>");
        refused("<" + repeat("a", 96 * 1024));
        refused("<a>" + repeat("<b/>", 30_000) + "</a>");
        StringBuilder many = new StringBuilder("<a");
        for (int i = 0; i < 128; i++) {
            many.append(" a").append(i).append("=''");
        }
        assertEquals(128, read(many + "/>").attributes().size());
        refused(many + " b=''/>");
    }

    @Test
    void aLimitIsOfOneStanza() throws XmlException {
        String stanza = "<a>" + repeat("x", 60_000) + "</a>";
        assertEquals(20, XmlReader.parse(repeat(stanza + "\n ", 20).getBytes()).size());
    }

    @Test
    void whatWouldBreakAStreamIsReplaced() {
        StringBuilder out = new StringBuilder();
        XmlChars.escapeText("a\0b\u000b\ufffe\uffff\uefff\r\n<]]>\ud800", out);
        assertEquals("a\ufffdb\ufffd\ufffd\ufffd\uefff&#13;\n&lt;]]&gt;\ufffd", out.toString());
        out.setLength(0);
        XmlChars.escapeAttribute("'\"<&>\t\n\r\u007f", out);
        assertEquals("&apos;&quot;&lt;&amp;&gt;&#9;&#10;&#13;\u007f", out.toString());
    }

    @Test
    void streamsElementsAreWrittenWithTheirPrefix() {
        Element error = new Element("error", Element.STREAM)
                .with(new Element("host-unknown", "urn:ietf:params:xml:ns:xmpp-streams"))
                .with(new Element("features", Element.STREAM).with(new Element("x", Element.CLIENT)));
        assertEquals("<stream:error><host-unknown xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>"
                + "<stream:features><x/></stream:features></stream:error>", error.toString());
        assertEquals(error, read(error.toString()));
    }

    @Test
    void headersAreRead() throws XmlException {
        String[] good = {"<?xml version='1.0'?>", "<?xml version=\"1.0\" encoding='utf-8'?>\n", ""};
        String stream = "<s:stream xmlns='jabber:client' xmlns:s='" + Element.STREAM + "' from='d'><s:features/></s:stream>";
        for (String declaration : good) {
            Seen seen = new Seen();
            byte[] bytes = (declaration + stream).getBytes();
            new XmlReader(XmlLimits.CLIENT).read(bytes, 0, bytes.length, seen);
            assertEquals("open d,features,end,", seen.text.toString());
        }
        for (String bad : new String[] {"<?xml version='1.1'?>" + stream, "<?foo?>" + stream, "<html><a/></html>", "HTTP/1.1 400 Bad Request",
                "<!DOCTYPE html>", stream + "<a/>", "\u0016\u0003\u0001", "<stream:stream xmlns:stream='" + Element.STREAM + "'/>"}) {
            byte[] bytes = bad.getBytes();
            assertThrows(XmlException.class, () -> new XmlReader(XmlLimits.CLIENT).read(bytes, 0, bytes.length, new Seen()), bad);
        }
    }

    @Test
    void nothingIsReadAfterAnError() {
        XmlReader reader = new XmlReader(XmlLimits.CLIENT);
        Seen seen = new Seen();
        byte[] bad = "oops".getBytes();
        assertThrows(XmlException.class, () -> reader.read(bad, 0, bad.length, seen));
        byte[] good = ("<stream:stream xmlns:stream='" + Element.STREAM + "'>").getBytes();
        assertThrows(XmlException.class, () -> reader.read(good, 0, good.length, seen));
        assertEquals("", seen.text.toString());
    }

    @Test
    void absentThingsAreNull() {
        Element element = read("<a/>");
        assertNull(element.attribute("b"));
        assertNull(element.child("b", "c"));
        assertNull(element.childText("b", "c"));
        assertEquals("", element.text());
    }

    /** What a handler hears, in words. */
    static final class Seen implements XmlReader.Handler {
        final StringBuilder text = new StringBuilder();

        @Override
        public void opened(Element header) {
            text.append("open ").append(header.attribute("from")).append(',');
        }

        @Override
        public void stanza(Element stanza) {
            text.append(stanza.name()).append(',');
        }

        @Override
        public void ended() {
            text.append("end,");
        }
    }
}
