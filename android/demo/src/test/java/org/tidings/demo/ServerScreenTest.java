package org.tidings.demo;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertFalse;
import static org.junit.Assert.assertNull;
import static org.junit.Assert.assertTrue;
import static org.robolectric.Shadows.shadowOf;

import android.app.Activity;
import android.app.AlertDialog;
import android.content.Intent;
import android.content.pm.ResolveInfo;
import android.net.Uri;
import android.os.Looper;
import android.widget.TextView;
import java.io.ByteArrayInputStream;
import java.nio.charset.StandardCharsets;
import org.junit.Before;
import org.junit.Test;
import org.robolectric.shadows.ShadowDialog;
import org.tidings.client.ServerConfig;

/** The ways to a server: a link, what was typed, an address, a file; and wrong ones of each. */
public final class ServerScreenTest extends AppTest {
    @Before
    public void withoutServer() throws Exception {
        tidings.removeServer();
        ShadowDialog.reset();
    }

    private static Intent link(String link) {
        return new Intent(Intent.ACTION_VIEW, Uri.parse(link));
    }

    private static AlertDialog question() {
        shadowOf(Looper.getMainLooper()).idle();
        return (AlertDialog) ShadowDialog.getLatestDialog();
    }

    private static String words() {
        return question().<TextView>findViewById(android.R.id.message).getText().toString();
    }

    private static void agree() {
        question().getButton(AlertDialog.BUTTON_POSITIVE).performClick();
        shadowOf(Looper.getMainLooper()).idle();
    }

    private static ServerActivity typed(int field, String text) {
        ServerActivity screen = open(ServerActivity.class, null);
        screen.<TextView>findViewById(field).setText(text);
        return screen;
    }

    @Test
    public void aLinkOfAnotherAppAsksFirst() throws Exception {
        Intent link = link("tidings:push.example.net?domain=example.net&xmpps=443&token=abc&fp=" + Samples.KEY);
        ResolveInfo found = app.getPackageManager().resolveActivity(link.addCategory(Intent.CATEGORY_BROWSABLE), 0);
        assertEquals(ServerActivity.class.getName(), found.activityInfo.name);
        ServerActivity screen = open(ServerActivity.class, link);
        assertTrue(words(), words().contains("push.example.net") && words().contains("Domain: example.net") && words().contains(Samples.KEY)
                && words().contains("invitation code"));
        assertFalse(words(), words().contains("abc"));
        assertNull("nothing happens before a person has agreed", tidings.server());
        agree();
        ServerConfig server = tidings.server();
        assertEquals("example.net", server.address().domain());
        assertEquals(443, server.address().directTlsPort());
        assertEquals("abc", server.token());
        assertEquals(Samples.KEY, server.fingerprint());
        assertTrue(screen.isFinishing());
        assertEquals(HistoryActivity.class.getName(), shadowOf(screen).getNextStartedActivity().getComponent().getClassName());
    }

    @Test
    public void cancelConnectsToNothing() throws Exception {
        open(ServerActivity.class, link("tidings:push.example.net"));
        question().getButton(AlertDialog.BUTTON_NEGATIVE).performClick();
        shadowOf(Looper.getMainLooper()).idle();
        assertNull(tidings.server());
    }

    @Test
    public void aSecondServerSaysWhatItReplaces() throws Exception {
        given.server("tidings:old.example.org");
        open(ServerActivity.class, link("tidings:push.example.net"));
        assertTrue(words(), words().contains("takes the place of old.example.org"));
    }

    @Test
    public void theContentOfACodeIsTyped() throws Exception {
        typed(R.id.link, "  TIDINGS:push.example.net?xmpp=5222\n").findViewById(R.id.next).performClick();
        agree();
        assertEquals(5222, tidings.server().address().startTlsPort());
    }

    @Test
    public void byAddress() throws Exception {
        ServerActivity screen = typed(R.id.host, "push.example.org");
        screen.<TextView>findViewById(R.id.domain).setText("example.org");
        screen.<TextView>findViewById(R.id.port).setText("5222");
        screen.<TextView>findViewById(R.id.token).setText("code");
        screen.findViewById(R.id.next).performClick();
        agree();
        ServerConfig server = tidings.server();
        assertEquals("push.example.org", server.address().host());
        assertEquals("example.org", server.address().domain());
        assertEquals(5222, server.address().startTlsPort());
        assertEquals(0, server.address().directTlsPort());
        assertEquals("code", server.token());
    }

    @Test
    public void anAddressMayBringItsPort() {
        assertEquals(8443, ServerForm.byAddress("push.example.org:8443", "", "", "").address().directTlsPort());
        assertEquals(7, ServerForm.byAddress("push.example.org", "", "7", "").address().directTlsPort());
        assertEquals("::1", ServerForm.byAddress("[::1]", "", "", "").address().host());
        assertEquals("::1", ServerForm.byAddress("[::1]:443", "", "", "").address().host());
        assertEquals(443, ServerForm.byAddress("[::1]:443", "", "", "").address().directTlsPort());
    }

    @Test
    public void whatIsWrongIsSaidAndNothingIsAsked() throws Exception {
        String[][] wrong = {{"link", "http://example.org"}, {"link", "tidings:"}, {"link", "tidings:h?xmpps=banana"}, {"link", "tidings:h?fp=sha256:12"},
            {"host", "exa mple"}, {"host", "push.example.org:99999"}, {"host", "push.example.org:port"}, {"host", "a/../b"}, {"host", ""}};
        for (String[] input : wrong) {
            ServerActivity screen = typed(input[0].equals("link") ? R.id.link : R.id.host, input[1]);
            screen.findViewById(R.id.next).performClick();
            shadowOf(Looper.getMainLooper()).idle();
            assertTrue(input[1], isShown(screen, R.id.problem));
            assertFalse(input[1], text(screen, R.id.problem).isEmpty());
            assertNull(input[1], ShadowDialog.getLatestDialog());
        }
        assertNull(tidings.server());
    }

    private ServerActivity file(String content) {
        Uri file = Uri.parse("content://files/chosen");
        shadowOf(app.getContentResolver()).registerInputStreamSupplier(file,
                () -> new ByteArrayInputStream(content.getBytes(StandardCharsets.UTF_8)));
        ServerActivity screen = open(ServerActivity.class, null);
        screen.findViewById(R.id.file).performClick();
        Intent asked = shadowOf(screen).peekNextStartedActivityForResult().intent;
        assertEquals(Intent.ACTION_OPEN_DOCUMENT, asked.getAction());
        shadowOf(screen).receiveResult(asked, Activity.RESULT_OK, new Intent().setData(file));
        return screen;
    }

    @Test
    public void byFileAsAndroidpnHadIt() throws Exception {
        file("apiKey=1234567890\nxmppHost=push.example.org\nxmppPort=5222\n");
        until("the question", () -> question() != null);
        agree();
        assertEquals("push.example.org", tidings.server().address().host());
    }

    @Test
    public void aWrongFileNamesItsLine() throws Exception {
        ServerActivity screen = file("xmppHost=push.example.org\nxmppPort=many\n");
        until("what is wrong", () -> isShown(screen, R.id.problem));
        assertTrue(text(screen, R.id.problem), text(screen, R.id.problem).contains("line 2"));
        assertNull(ShadowDialog.getLatestDialog());
    }

    @Test
    public void aHugeFileIsRefused() throws Exception {
        ServerActivity screen = file("#".repeat(10 << 20));
        until("what is wrong", () -> isShown(screen, R.id.problem));
    }
}
