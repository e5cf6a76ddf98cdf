package org.tidings.core.stream;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.Test;
import org.tidings.core.sasl.ChannelBinding;
import org.tidings.core.testing.Seeds;
import org.tidings.core.xml.Element;
import org.tidings.core.xml.XmlReader;

/** What a negotiation says, and what it does not believe. */
class NegotiationTest {
    private static final String MECHANISMS = "<mechanism>SCRAM-SHA-256</mechanism>";
    private static final String FEATURES = "<stream:features><mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>" + MECHANISMS + "</mechanisms>";
    private static final String END = "</stream:features>";
    private static final String FEATURES2 = FEATURES + "<authentication xmlns='urn:xmpp:sasl:2'>" + MECHANISMS
            + "<inline><sm xmlns='urn:xmpp:sm:3'/><bind xmlns='urn:xmpp:bind:0'/></inline></authentication>";

    private final StringBuilder said = new StringBuilder();
    private int restarts;

    private Negotiation start(Login login) throws StreamException {
        Negotiation negotiation = new Negotiation(login, new ChannelBinding(null, null, null),
                bytes -> said.append(new String(bytes, StandardCharsets.UTF_8)), () -> restarts++);
        negotiation.start();
        negotiation.opened(new Element("stream", Ns.STREAM).with("from", "d"));
        return negotiation;
    }

    private static Login login() {
        return new Login("d", "user", "pencil", "nonce").as("android", "12345678-9");
    }

    private static Element element(String text) {
        try {
            return XmlReader.parse(text.getBytes(StandardCharsets.UTF_8)).get(0);
        } catch (Exception e) {
            throw new AssertionError(text, e);
        }
    }

    private String taken() {
        String text = said.toString();
        said.setLength(0);
        return text;
    }

    private static Trouble trouble(Negotiation negotiation, String text) {
        return assertThrows(StreamException.class, () -> negotiation.take(element(text)), text).trouble();
    }

    @Test
    void theNewWayAsksForEverythingAtOnce() throws StreamException {
        Negotiation negotiation = start(login().resuming("old'id", -1));
        assertEquals("<?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' to='d' version='1.0'>", taken());
        negotiation.take(element(FEATURES2 + END));
        assertEquals("<authenticate xmlns='urn:xmpp:sasl:2' mechanism='SCRAM-SHA-256'><initial-response>biwsbj11c2VyLHI9bm9uY2U=</initial-response>"
                + "<user-agent id='12345678-9'/><resume xmlns='urn:xmpp:sm:3' previd='old&apos;id' h='4294967295'/>"
                + "<bind xmlns='urn:xmpp:bind:0'><tag>android</tag><enable xmlns='urn:xmpp:sm:3' resume='true'/></bind></authenticate>", taken());
    }

    @Test
    void theOldWayIsTakenWhereTheNewOneIsNotOfferedOrNotWanted() throws StreamException {
        for (String features : new String[] {FEATURES + END, FEATURES2 + END}) {
            Negotiation negotiation = start(login().inline(false));
            taken();
            negotiation.take(element(features));
            assertEquals("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='SCRAM-SHA-256'>biwsbj11c2VyLHI9bm9uY2U=</auth>", taken());
        }
    }

    @Test
    void registersWithATokenByXep0445OrAsAKey() throws StreamException {
        Negotiation negotiation = start(login().registering("t"));
        taken();
        negotiation.take(element(FEATURES + "<register xmlns='urn:xmpp:ibr-token:0'/><register xmlns='http://jabber.org/features/iq-register'/>" + END));
        assertEquals("<iq type='set' id='preauth' to='d'><preauth xmlns='urn:xmpp:pars:0' token='t'/></iq>", taken());
        negotiation.take(element("<iq type='result' id='preauth'/>"));
        assertEquals("<iq type='get' id='form'><query xmlns='jabber:iq:register'/></iq>", taken());
        assertEquals(Negotiation.Step.MORE, negotiation.take(element("<iq type='result' id='form'><query xmlns='jabber:iq:register'>"
                + "<username/><password/></query></iq>")));
        assertEquals("<iq type='set' id='register'><query xmlns='jabber:iq:register'><username>user</username><password>pencil</password></query></iq>", taken());
        assertEquals(Negotiation.Step.REGISTERED, negotiation.take(element("<iq type='result' id='register'/>")));
        assertTrue(taken().startsWith("<auth "));

        Negotiation other = start(login().registering("t"));
        taken();
        other.take(element(FEATURES + "<register xmlns='http://jabber.org/features/iq-register'/>" + END));
        assertTrue(taken().contains("<key>t</key>"));
        assertEquals(Trouble.NAME_TAKEN, trouble(other, "<iq type='error' id='register'><error type='cancel'>"
                + "<conflict xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>"));
    }

    @Test
    void refusalsAreToldApart() throws StreamException {
        String[][] registrations = {{"cancel", "not-allowed", "REGISTRATION_REFUSED"}, {"wait", "resource-constraint", "BUSY"},
                {"auth", "forbidden", "REGISTRATION_REFUSED"}, {"cancel", "internal-server-error", "BUSY"}};
        for (String[] one : registrations) {
            Negotiation negotiation = start(login().registering(null));
            negotiation.take(element(FEATURES + "<register xmlns='http://jabber.org/features/iq-register'/>" + END));
            assertEquals(one[2], trouble(negotiation, "<iq type='error' id='register'><error type='" + one[0] + "'><" + one[1]
                    + " xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>").name());
        }
        assertEquals(Trouble.REGISTRATION_REFUSED, trouble(start(login().registering(null)), FEATURES + END));
        String[][] logins = {{"not-authorized", "CREDENTIALS"}, {"temporary-auth-failure", "BUSY"}, {"account-disabled", "LOGIN_REFUSED"},
                {"invalid-mechanism", "LOGIN_REFUSED"}};
        for (String[] one : logins) {
            for (String ns : new String[] {Ns.SASL, Ns.SASL2}) {
                Negotiation negotiation = start(login());
                negotiation.take(element(ns.equals(Ns.SASL) ? FEATURES + END : FEATURES2 + END));
                assertEquals(one[1], trouble(negotiation, "<failure xmlns='" + ns + "'><" + one[0] + " xmlns='" + Ns.SASL + "'/></failure>").name());
            }
        }
        String[][] streams = {{"host-unknown", "DOMAIN"}, {"conflict", "CONFLICT"}, {"system-shutdown", "BUSY"}, {"not-well-formed", "CLOSED"}};
        for (String[] one : streams) {
            assertEquals(one[1], trouble(start(login()), "<stream:error><" + one[0] + " xmlns='" + Ns.STREAMS + "'/></stream:error>").name());
        }
        assertEquals(Trouble.NO_MECHANISM, trouble(start(login()), "<stream:features><mechanisms xmlns='" + Ns.SASL
                + "'><mechanism>PLAIN</mechanism></mechanisms></stream:features>"));
    }

    @Test
    void nobodyIsLetInWithoutProof() throws StreamException {
        for (String ns : new String[] {Ns.SASL, Ns.SASL2}) {
            Negotiation early = start(login());
            early.take(element(ns.equals(Ns.SASL) ? FEATURES + END : FEATURES2 + END));
            assertEquals(Trouble.NOT_PROVED, trouble(early, "<success xmlns='" + ns + "'/>"));

            Negotiation late = start(login());
            late.take(element(ns.equals(Ns.SASL) ? FEATURES + END : FEATURES2 + END));
            // r=nonceX,s=AAAA,i=4096
            late.take(element("<challenge xmlns='" + ns + "'>cj1ub25jZVgscz1BQUFBLGk9NDA5Ng==</challenge>"));
            assertEquals(Trouble.NOT_PROVED, trouble(late, "<success xmlns='" + ns + "'>dj1BQUFB</success>"));
            assertEquals(Trouble.PROTOCOL, trouble(late, "<success xmlns='" + ns + "'/>"), "and there is no going on");
        }
    }

    @Test
    void nothingIsTakenOutOfOrder() throws StreamException {
        for (String wrong : new String[] {"<success xmlns='" + Ns.SASL + "'/>", "<iq type='result' id='bind'/>", "<resumed xmlns='urn:xmpp:sm:3'/>",
                "<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>", "<message/>", "<enabled xmlns='urn:xmpp:sm:3'/>"}) {
            assertEquals(Trouble.PROTOCOL, trouble(start(login()), wrong));
        }
        assertThrows(StreamException.class, () -> start(login()).opened(new Element("stream", Ns.STREAM)), "a second header");
        Negotiation other = start(login());
        other.take(element(FEATURES + END));
        assertEquals(Trouble.PROTOCOL, trouble(other, "<success xmlns='" + Ns.SASL2 + "'/>"), "of the other profile");
        assertEquals(0, restarts);
    }

    @Test
    void beforeTlsNothingButADomainIsSaid() throws StreamException {
        StartTls stream = new StartTls("d'");
        String first = new String(stream.first(), StandardCharsets.UTF_8);
        assertTrue(first.endsWith(" to='d&apos;' version='1.0'><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"), first);
        String header = "<stream:stream xmlns='jabber:client' xmlns:stream='" + Ns.STREAM + "'>";
        String offer = header + "<stream:features><starttls xmlns='" + Ns.TLS + "'><required/></starttls></stream:features>";
        assertFalse(receive(stream, offer));
        assertTrue(receive(stream, "<proceed xmlns='" + Ns.TLS + "'/><iq type='set'>junk"), "what comes behind was not protected");
        String[][] bad = {{header + "<stream:features/>", "TLS"}, {offer + "<failure xmlns='" + Ns.TLS + "'/>", "TLS"}, {header + "<proceed xmlns='" + Ns.TLS + "'/>", "TLS"},
                {offer + "</stream:stream>", "CLOSED"}, {"SSH-2.0-x", "PROTOCOL"}, {header + "<stream:error><host-unknown xmlns='" + Ns.STREAMS + "'/></stream:error>", "DOMAIN"},
                {offer + "<success xmlns='" + Ns.SASL + "'/>", "TLS"}};
        for (String[] one : bad) {
            StreamException e = assertThrows(StreamException.class, () -> receive(new StartTls("d"), one[0]), one[0]);
            assertEquals(one[1], e.trouble().name(), one[0]);
        }
    }

    private static boolean receive(StartTls stream, String text) throws StreamException {
        byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
        return stream.receive(bytes, 0, bytes.length);
    }

    @Test
    void anyOrderOfElementsEndsInAnExceptionOrAStep() {
        String[] elements = {FEATURES + END, FEATURES2 + END, FEATURES + "<register xmlns='" + Ns.REGISTER_FEATURE + "'/>" + END,
                "<challenge xmlns='" + Ns.SASL + "'>cj1ub25jZVgscz1BQUFBLGk9NDA5Ng==</challenge>", "<challenge xmlns='" + Ns.SASL2 + "'>%</challenge>",
                "<challenge xmlns='" + Ns.SASL + "'>dj1BQUFB</challenge>", "<success xmlns='" + Ns.SASL + "'>dj1BQUFB</success>", "<success xmlns='" + Ns.SASL2 + "'/>",
                "<iq type='result' id='register'/>", "<iq type='error' id='register'/>", "<iq id='bind'/>", "<iq/>", "<failed xmlns='" + Ns.SM + "'/>",
                "<resumed xmlns='" + Ns.SM + "' h='x'/>", "<failure xmlns='" + Ns.SASL + "'/>", "<stream:error/>", "<x xmlns='y'/>"};
        Seeds.check(2000, random -> {
            Login login = random.nextBoolean() ? login() : login().registering(random.nextBoolean() ? "t" : null);
            Negotiation negotiation = start(random.nextBoolean() ? login : login.resuming("x", 1));
            try {
                for (int i = 0; i < 8; i++) {
                    assertTrue(negotiation.take(element(elements[random.nextInt(elements.length)])) != Negotiation.Step.READY);
                }
            } catch (StreamException e) {
                assertTrue(e.getMessage() != null);
            }
        });
    }
}
