package org.tidings.core.device;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Collections;
import org.junit.jupiter.api.Test;
import org.tidings.core.testing.Seeds;

/** Invitations as people scan and type them. */
class InvitationTest {
    private static final String HEX = String.join("", Collections.nCopies(32, "aB"));

    @Test
    void everyPartIsRead() {
        Invitation all = Invitation.parse(" tidings:192.0.2.1?domain=push.example.org&xmpp=1222&xmpps=1223&token=a%2Bb%26&fp=sha256:" + HEX + "&later=x ");
        assertEquals("push.example.org", all.server().domain());
        assertEquals("192.0.2.1", all.server().host());
        assertEquals(1222, all.server().startTlsPort());
        assertEquals(1223, all.server().directTlsPort());
        assertEquals("a+b&", all.token());
        assertEquals("sha256:" + HEX.toLowerCase(), all.fingerprint());
        assertFalse(all.server().byRecords());
    }

    @Test
    void littleIsEnough() {
        Invitation little = Invitation.parse("TIDINGS:push.example.org");
        assertTrue(little.server().byRecords());
        assertEquals(5223, little.server().directTlsPort());
        assertEquals(5222, little.server().startTlsPort());
        assertNull(little.token());
        assertNull(little.fingerprint());
        assertEquals("::1", Invitation.parse("tidings:[::1]?domain=localhost&xmpps=5").server().host());
        assertEquals(0, Invitation.parse("tidings:[::1]?domain=localhost&xmpps=5").server().startTlsPort());
        assertEquals("h", Invitation.parse("tidings://h?domain=d").server().host());
        assertEquals("bücher.example", Invitation.parse("tidings:b%C3%BCcher.example").server().domain());
    }

    @Test
    void theOlderFormIsStillRead() {
        Invitation old = Invitation.parse("tidings:connect?host=push.example.org&xmpp=5222");
        assertEquals("push.example.org", old.server().host());
        assertEquals("push.example.org", old.server().domain());
    }

    @Test
    void whatIsWrongIsSaid() {
        for (String bad : new String[] {"", "https://example.org", "tidings:", "tidings:a b", "tidings:h?domain=", "tidings:h?xmpp=0", "tidings:h?xmpps=65536",
                "tidings:h?xmpp=x", "tidings:h?fp=sha256:12", "tidings:h?fp=" + HEX, "tidings:h?token=%", "tidings:h?token=%zz", "tidings:h?token=a&token=b",
                "tidings:h/../x", "tidings:h<script>", "tidings:" + String.join("", Collections.nCopies(3000, "h"))}) {
            IllegalArgumentException e = assertThrows(IllegalArgumentException.class, () -> Invitation.parse(bad), bad);
            assertFalse(e.getMessage().isEmpty());
        }
    }

    @Test
    void noiseDoesNothingButFail() {
        Seeds.check(5000, random -> {
            char[] text = ("tidings:host?domain=d.example&xmpp=5222&token=abc%20&fp=sha256:" + HEX).toCharArray();
            for (int i = random.nextInt(6); i > 0; i--) {
                text[8 + random.nextInt(text.length - 8)] = (char) random.nextInt(300);
            }
            try {
                assertFalse(Invitation.parse(new String(text)).server().host().isEmpty());
            } catch (IllegalArgumentException e) {
                assertFalse(e.getMessage().isEmpty());
            }
        });
    }
}
