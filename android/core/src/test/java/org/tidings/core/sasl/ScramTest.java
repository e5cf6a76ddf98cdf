package org.tidings.core.sasl;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.util.Arrays;
import java.util.Base64;
import java.util.Collections;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.tidings.core.testing.Seeds;

/** SCRAM by the vector of RFC 7677, as the server's own test has it, and against servers that lie. */
class ScramTest {
    private static final String NONCE = "rOprNGfwEbeRWgbNEkqO";
    private static final String SERVER_FIRST = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
    private static final ChannelBinding NONE = new ChannelBinding(null, null, null);
    private static final ChannelBinding END_POINT = new ChannelBinding(new byte[] {1}, "SHA256withECDSA", null);
    private static final ChannelBinding BOTH = new ChannelBinding(new byte[] {1}, "SHA256withECDSA", new byte[32]);
    private static final List<String> PLAIN = Arrays.asList("SCRAM-SHA-256", "SCRAM-SHA-1", "PLAIN");
    private static final List<String> PLUS = Arrays.asList("SCRAM-SHA-256-PLUS", "SCRAM-SHA-256");

    private static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    private static Scram client(ChannelBinding tls) throws SaslException {
        return new Scram(Mechanism.choose(PLAIN, Collections.emptyList(), tls), "user", "pencil", null, NONCE);
    }

    @Test
    void rfc7677() throws SaslException {
        Scram scram = client(NONE);
        assertEquals("n,,n=user,r=rOprNGfwEbeRWgbNEkqO", new String(scram.first()));
        String last = new String(scram.respond(bytes(SERVER_FIRST)));
        assertEquals("c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=", last);
        assertFalse(scram.isProved());
        scram.verify(bytes("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="));
        assertTrue(scram.isProved());

        Scram again = new Scram(Mechanism.choose(PLAIN, Collections.emptyList(), NONE), "user", "pencil", scram.salted(), NONCE);
        assertEquals(last, new String(again.respond(bytes(SERVER_FIRST))));
        assertSame(scram.salted(), again.salted(), "derived once");
        Scram otherSalt = new Scram(Mechanism.choose(PLAIN, Collections.emptyList(), NONE), "user", "pencil", scram.salted(), NONCE);
        otherSalt.respond(bytes("r=" + NONCE + "x,s=AAAA,i=4096"));
        assertFalse(scram.salted() == otherSalt.salted());
    }

    @Test
    void aServerThatLiesIsNotBelieved() throws SaslException {
        for (String bad : new String[] {"", "v=", "v=AAAA", "e=other-error", "v=7rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=", "v=%"}) {
            Scram scram = client(NONE);
            scram.respond(bytes(SERVER_FIRST));
            assertThrows(SaslException.class, () -> scram.verify(bytes(bad)), bad);
            assertFalse(scram.isProved());
        }
        assertThrows(SaslException.class, () -> client(NONE).verify(bytes("v=")), "before the challenge");
        Scram twice = client(NONE);
        twice.respond(bytes(SERVER_FIRST));
        assertThrows(SaslException.class, () -> twice.respond(bytes(SERVER_FIRST)));
        for (String bad : new String[] {"", "r=" + NONCE + ",s=AAAA,i=4096", "r=other,s=AAAA,i=4096", "r=" + NONCE + "x,s=AAAA,i=4095",
                "r=" + NONCE + "x,s=AAAA,i=1000001", "r=" + NONCE + "x,s=AAAA,i=99999999999999999999", "r=" + NONCE + "x,s=AAAA,i=-1",
                "r=" + NONCE + "x,s=AAAA,i=", "r=" + NONCE + "x,s=,i=4096", "r=" + NONCE + "x,s=%,i=4096", "s=AAAA,r=" + NONCE + "x,i=4096",
                "m=x,r=" + NONCE + "x,s=AAAA,i=4096", "r=" + NONCE + "x,s=AAAA", "e=unknown-user"}) {
            assertThrows(SaslException.class, () -> client(NONE).respond(bytes(bad)), bad);
        }
        assertThrows(SaslException.class, () -> client(NONE).respond(new byte[5000]));
    }

    @Test
    void noiseDoesNothingButFail() {
        Seeds.check(3000, random -> {
            byte[] challenge = bytes(SERVER_FIRST.replace("i=4096", "i=4095"));
            for (int i = random.nextInt(5); i > 0; i--) {
                challenge[random.nextInt(challenge.length - 4)] = (byte) random.nextInt(256);
            }
            assertThrows(SaslException.class, () -> client(NONE).respond(challenge));
        });
    }

    @Test
    void namesAreEscaped() throws SaslException {
        Scram scram = new Scram(Mechanism.choose(PLAIN, Collections.emptyList(), NONE), "a,b=c", "x", null, "n");
        assertEquals("n,,n=a=2Cb=3Dc,r=n", new String(scram.first()));
    }

    @Test
    void theStrongestHonestMechanismIsChosen() throws Exception {
        String exporter = "tls-exporter";
        String endPoint = "tls-server-end-point";
        assertFlag("SCRAM-SHA-256-PLUS", "p=tls-exporter", PLUS, Arrays.asList(endPoint, exporter), BOTH);
        assertFlag("SCRAM-SHA-256-PLUS", "p=tls-server-end-point", PLUS, Arrays.asList(endPoint, exporter), END_POINT);
        assertFlag("SCRAM-SHA-256-PLUS", "p=tls-server-end-point", PLUS, Collections.emptyList(), BOTH);
        // Only a type that we lack: saying "y" would look like an attack to the server.
        assertFlag("SCRAM-SHA-256", "n", PLUS, Collections.singletonList(exporter), END_POINT);
        assertFlag("SCRAM-SHA-256", "n", PLUS, Collections.singletonList(endPoint), NONE);
        // None offered: "y" lets a server notice that somebody took the offer away.
        assertFlag("SCRAM-SHA-256", "y", PLAIN, Collections.emptyList(), END_POINT);
        assertFlag("SCRAM-SHA-256", "n", PLAIN, Collections.emptyList(), NONE);
        assertNull(Mechanism.choose(Arrays.asList("PLAIN", "SCRAM-SHA-1"), Collections.emptyList(), BOTH));

        Scram bound = new Scram(Mechanism.choose(PLUS, Collections.emptyList(), END_POINT), "user", "pencil", null, NONCE);
        String last = new String(bound.respond(bytes(SERVER_FIRST)));
        byte[] data = Base64.getDecoder().decode(last.substring(2, last.indexOf(',')));
        byte[] hash = MessageDigest.getInstance("SHA-256").digest(new byte[] {1});
        String header = "p=tls-server-end-point,,";
        assertEquals(header, new String(data, 0, header.length()));
        assertArrayEquals(hash, Arrays.copyOfRange(data, header.length(), data.length));
    }

    private static void assertFlag(String name, String flag, List<String> offered, List<String> types, ChannelBinding tls) {
        Mechanism mechanism = Mechanism.choose(offered, types, tls);
        assertEquals(name + " " + flag, mechanism.name() + " " + mechanism.flag());
    }

    @Test
    void theEndPointsHashIsThatOfTheSignature() throws Exception {
        byte[] der = {7, 7};
        String[][] cases = {{"SHA1withRSA", "SHA-256"}, {"MD5withRSA", "SHA-256"}, {"SHA384withECDSA", "SHA-384"}, {"SHA512withRSA", "SHA-512"}};
        for (String[] one : cases) {
            byte[] expected = MessageDigest.getInstance(one[1]).digest(der);
            assertArrayEquals(expected, new ChannelBinding(der, one[0], null).data(ChannelBinding.END_POINT), one[0]);
        }
        for (String none : new String[] {"RSASSA-PSS", "Ed25519", "", null}) {
            assertFalse(new ChannelBinding(der, none, null).isAvailable());
        }
    }

    @Test
    void saslPrepByTheExamplesOfRfc4013() throws SaslException {
        assertEquals("IX", SaslPrep.prepare("I\u00adX"));
        assertEquals("user", SaslPrep.prepare("user"));
        assertEquals("USER", SaslPrep.prepare("USER"));
        assertEquals("a", SaslPrep.prepare("\u00aa"));
        assertEquals("IX", SaslPrep.prepare("\u2168"));
        assertEquals("a b", SaslPrep.prepare("a\u00a0b"));
        assertEquals("\u0627\u0031\u0628", SaslPrep.prepare("\u0627\u0031\u0628"));
        for (String bad : new String[] {"\u0007", "\u0627\u0031", "", "\u00ad", "\u200e", "\ue000", "\ufffd", "a\u0627", "\ud800", "\ufdd0", "\u2028"}) {
            assertThrows(SaslException.class, () -> SaslPrep.prepare(bad), () -> Integer.toHexString(bad.codePointAt(0)));
        }
    }
}
