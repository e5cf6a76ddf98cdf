package org.tidings.client;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertFalse;
import static org.junit.Assert.assertNull;
import static org.junit.Assert.assertThrows;
import static org.junit.Assert.assertTrue;

import org.junit.Test;

/** A properties file as androidpn has it, as we have it, and wrong in each line. */
public final class ServerPropertiesTest {
    private static final String FINGERPRINT = "sha256:" + "0123456789abcdef".repeat(4);

    private static void wrong(int line, String says, String text) {
        ConfigurationException e = assertThrows(text, ConfigurationException.class, () -> ServerConfig.ofProperties(text));
        assertEquals(e.getMessage(), line, e.line());
        assertTrue(e.getMessage(), e.getMessage().contains(says));
        if (line > 0) {
            assertTrue(e.getMessage(), e.getMessage().startsWith("line " + line + ": "));
        }
    }

    @Test
    public void androidpnsFile() {
        ServerConfig config = ServerConfig.ofProperties("apiKey=1234567890\r\nxmppHost=10.0.2.2\r\nxmppPort=5222\r\n");
        assertEquals("10.0.2.2", config.address().host());
        assertEquals("10.0.2.2", config.address().domain());
        assertEquals(5222, config.address().startTlsPort());
        assertEquals(0, config.address().directTlsPort());
        assertNull("androidpn's key was the same for everybody", config.token());
    }

    @Test
    public void ourFile() {
        ServerConfig config = ServerConfig.ofProperties("# ours\n\n! also a comment\nhost : push.example.org\ndomain=example.org\n"
                + "xmpps = 443\ntoken=a\\u0020b\\\\c\nfingerprint=" + FINGERPRINT.toUpperCase() + "\ntrust=system\nusername=u\npassword=p=q");
        assertEquals("push.example.org", config.address().host());
        assertEquals("example.org", config.address().domain());
        assertEquals(443, config.address().directTlsPort());
        assertEquals("a b\\c", config.token());
        assertEquals(FINGERPRINT, config.fingerprint());
        assertTrue(config.systemTrustOnly());
        assertEquals("u", config.username());
        assertEquals("p=q", config.password());
    }

    @Test
    public void aDomainAloneIsFoundByItsRecords() {
        assertTrue(ServerConfig.ofProperties("\uFEFFdomain=example.org").address().byRecords());
    }

    @Test
    public void anInvitation() {
        ServerConfig config = ServerConfig.ofProperties(
                "invitation=tidings:192.0.2.1?domain=example.org&xmpps=5223&token=T&fp=" + FINGERPRINT);
        assertEquals("192.0.2.1", config.address().host());
        assertEquals("T", config.token());
        assertEquals(FINGERPRINT, config.fingerprint());
        wrong(2, "the invitation says where", "invitation=tidings:a?domain=b\nxmppHost=c");
        wrong(1, "begins with tidings:", "invitation=https://example.org/");
    }

    @Test
    public void whatIsWrongIsNamedWithItsLine() {
        wrong(2, "is not KEY=VALUE", "host=a\nwhat is this");
        wrong(3, "is no setting", "\n\nxmpHost=a");
        wrong(2, "stands in line 1 already", "host=a\nhost=b");
        wrong(2, "say the same", "host=a\nxmppHost=b");
        wrong(2, "is no port", "xmppHost=a\nxmppPort=70000");
        wrong(2, "is no port", "xmppHost=a\nxmppPort=-1");
        wrong(2, "is no port", "xmppHost=a\nxmpps=https");
        wrong(1, "is no server's name", "xmppHost=http://a");
        wrong(2, "is no server's name", "host=a\ndomain=b c");
        wrong(2, "64 hexadecimal digits", "host=a\nfingerprint=sha256:12");
        wrong(2, "system or first-use", "host=a\ntrust=none");
        wrong(2, "go together", "host=a\npassword=b");
        wrong(2, "four hexadecimal digits", "host=a\ntoken=\\u12");
        wrong(2, "next line", "host=a\ntoken=b\\");
        wrong(0, "is missing", "");
        wrong(0, "is missing", "apiKey=1");
        wrong(0, "64 KiB", "#".repeat(100_000));
    }

    @Test
    public void whatIsKeptIsReadAgain() {
        ServerConfig config = ServerConfig.of("push.example.org", "example.org", 5223, 0).withToken("a\\n\nb=#")
                .withAccount("user", " p\\ass\r\n").withFingerprint(FINGERPRINT);
        ServerConfig again = ServerConfig.ofProperties(config.toProperties());
        assertEquals(config.token(), again.token());
        assertEquals(config.address().host(), again.address().host());
        assertEquals(config.address().directTlsPort(), again.address().directTlsPort());
        assertEquals(config.address().startTlsPort(), again.address().startTlsPort());
        assertEquals(config.fingerprint(), again.fingerprint());
        assertEquals(config.password(), again.password());
        assertFalse(config.toString().contains("ass"));
        assertTrue(ServerConfig.ofProperties(ServerConfig.ofDomain("example.org").toProperties()).address().byRecords());
    }
}
