package org.tidings.client;

import android.content.Context;
import android.content.Intent;
import android.content.pm.PackageManager;
import android.content.pm.ResolveInfo;
import android.net.Uri;
import java.util.Arrays;
import java.util.HashSet;
import java.util.Locale;
import java.util.Set;

/**
 * Decides what a notification may open: {@code http}, {@code https}, {@code tel} (it dials, and calls nobody),
 * {@code geo}, {@code mailto}, what the app's own browsable activities take, and schemes that the app has allowed.
 */
public final class UriPolicy {
    private static final int MAX_LENGTH = 4096;
    private static final Set<String> ALWAYS = new HashSet<>(Arrays.asList("http", "https", "tel", "geo", "mailto"));
    /** These run code, or reach into this app's own data or another's parts: no consent makes them safe. */
    private static final Set<String> NEVER = new HashSet<>(Arrays.asList("javascript", "intent", "android-app", "data", "file",
            "content", "vbscript", "about", "blob", "filesystem", "jar", "android.resource", "view-source"));

    private final Context context;
    private final Set<String> allowed = new HashSet<>();

    UriPolicy(Context context) {
        this.context = context;
    }

    /** The app consents to one more scheme; to be said each time the process starts. Some are never opened. */
    public synchronized void allowScheme(String scheme) {
        allowed.add(scheme.toLowerCase(Locale.ROOT));
    }

    /** What opens a URI, or null where it may not be opened or nothing on the phone opens it. */
    @Nullable
    public Intent intent(@Nullable String uri) {
        String scheme = scheme(uri);
        if (scheme == null || NEVER.contains(scheme)) {
            return null;
        }
        Uri parsed = Uri.parse(scheme + uri.substring(scheme.length()));
        boolean web = scheme.equals("http") || scheme.equals("https");
        if (web && (parsed.getHost() == null || parsed.getHost().isEmpty())) {
            return null;
        }
        Intent intent = new Intent(scheme.equals("tel") ? Intent.ACTION_DIAL : scheme.equals("mailto") ? Intent.ACTION_SENDTO
                : Intent.ACTION_VIEW, parsed).addFlags(Intent.FLAG_ACTIVITY_NEW_TASK);
        if (web) {
            return intent.addCategory(Intent.CATEGORY_BROWSABLE);
        }
        if (ALWAYS.contains(scheme) || isAllowed(scheme)) {
            return intent;
        }
        return ownDeepLink(intent);
    }

    private synchronized boolean isAllowed(String scheme) {
        return allowed.contains(scheme);
    }

    /** Only what a web page could open, too: other activities of the app are not for its back end to start. */
    @Nullable
    private Intent ownDeepLink(Intent intent) {
        intent.setPackage(context.getPackageName()).addCategory(Intent.CATEGORY_BROWSABLE);
        ResolveInfo found = context.getPackageManager().resolveActivity(intent, PackageManager.MATCH_DEFAULT_ONLY);
        return found != null && found.activityInfo != null && found.activityInfo.packageName.equals(context.getPackageName())
                ? intent : null;
    }

    /** The scheme in small letters, or null where this is no URI, or has something in it that hides what it is. */
    @Nullable
    private static String scheme(@Nullable String uri) {
        int colon = uri == null ? -1 : uri.indexOf(':');
        if (colon < 1 || uri.length() > MAX_LENGTH) {
            return null;
        }
        for (int i = 0; i < uri.length(); ) {
            int c = uri.codePointAt(i);
            if (Character.isWhitespace(c) || Character.isSpaceChar(c) || SafeText.isHarmful(c)
                    || Character.getType(c) == Character.FORMAT) {
                return null;
            }
            i += Character.charCount(c);
        }
        String scheme = uri.substring(0, colon).toLowerCase(Locale.ROOT);
        return scheme.matches("[a-z][a-z0-9+.-]*") ? scheme : null;
    }
}
