package org.tidings.client;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertNotNull;
import static org.junit.Assert.assertNull;
import static org.robolectric.Shadows.shadowOf;

import android.content.ComponentName;
import android.content.Intent;
import android.content.IntentFilter;
import android.content.pm.ActivityInfo;
import org.junit.Before;
import org.junit.Test;
import org.junit.runner.RunWith;
import org.robolectric.RobolectricTestRunner;

/** What a tap may open, and what never. */
@RunWith(RobolectricTestRunner.class)
public final class UriPolicyTest extends ClientTest {
    private UriPolicy policy;

    @Before
    public void setUp() {
        policy = new UriPolicy(app);
    }

    @Test
    public void whatEverybodyMayOpen() {
        assertEquals(Intent.ACTION_VIEW, policy.intent("https://example.org/a?b=c#d").getAction());
        assertEquals("http", policy.intent("HTTP://example.org").getScheme());
        assertEquals("a call needs the person's own press", Intent.ACTION_DIAL, policy.intent("tel:+4930123").getAction());
        assertEquals(Intent.ACTION_VIEW, policy.intent("geo:52.5,13.4").getAction());
        assertEquals(Intent.ACTION_SENDTO, policy.intent("mailto:a@example.org?subject=x").getAction());
    }

    @Test
    public void whatNobodyMay() {
        for (String uri : new String[] {null, "", "example.org", ":", "//example.org", "javascript:alert(1)", "JavaScript:alert(1)",
            " javascript:alert(1)", "java\nscript:alert(1)", "java\u200Bscript:a", "intent://x#Intent;scheme=https;end",
            "INTENT:#Intent;component=a/.B;end", "android-app://a/https/b", "file:///sdcard/a", "content://contacts/1", "data:text/html,a",
            "vbscript:a", "about:blank", "blob:a", "ftp://example.org", "smsto:1", "market://details?id=a", "https:///path", "https:",
            "https://exam\u202Eple.org", "https://example.org/\u0000", "https://example.org/a b", "https://example.org/" + "a".repeat(5000)}) {
            assertNull(uri, policy.intent(uri));
        }
    }

    @Test
    public void theAppMayConsent() {
        assertNull(policy.intent("matrix:r/room"));
        policy.allowScheme("Matrix");
        assertNotNull(policy.intent("matrix:r/room"));
        policy.allowScheme("javascript");
        policy.allowScheme("intent");
        policy.allowScheme("file");
        assertNull("no consent makes that safe", policy.intent("javascript:alert(1)"));
        assertNull(policy.intent("intent://x#Intent;end"));
        assertNull(policy.intent("file:///data/data/a"));
    }

    @Test
    public void theAppsOwnDeepLinks() throws Exception {
        own("ours", Intent.CATEGORY_BROWSABLE);
        own("inside", Intent.CATEGORY_DEFAULT);
        Intent intent = policy.intent("ours://page/1");
        assertEquals("another app cannot take it", app.getPackageName(), intent.getPackage());
        assertNull("a back end starts no activity that a web page could not", policy.intent("inside://page/1"));
    }

    private void own(String scheme, String category) throws Exception {
        ComponentName name = new ComponentName(app.getPackageName(), app.getPackageName() + "." + scheme);
        ActivityInfo info = new ActivityInfo();
        info.packageName = app.getPackageName();
        info.name = name.getClassName();
        shadowOf(app.getPackageManager()).addOrUpdateActivity(info);
        IntentFilter filter = new IntentFilter(Intent.ACTION_VIEW);
        filter.addCategory(Intent.CATEGORY_DEFAULT);
        filter.addCategory(category);
        filter.addDataScheme(scheme);
        shadowOf(app.getPackageManager()).addIntentFilterForActivity(name, filter);
    }
}
