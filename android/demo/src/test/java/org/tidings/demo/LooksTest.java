package org.tidings.demo;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertNotEquals;
import static org.junit.Assert.assertTrue;

import android.app.Activity;
import android.content.Context;
import android.content.res.Configuration;
import android.content.res.Resources;
import android.graphics.Color;
import android.graphics.drawable.AdaptiveIconDrawable;
import android.os.Build;
import android.view.View;
import android.view.ViewGroup;
import android.widget.EditText;
import android.widget.ImageButton;
import android.widget.TextView;
import java.lang.reflect.Field;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.TreeSet;
import java.util.function.Consumer;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.Test;
import org.robolectric.annotation.Config;

/** Languages, colours and labels, on every screen. */
public final class LooksTest extends AppTest {
    private Context in(String language) {
        Configuration configuration = new Configuration(app.getResources().getConfiguration());
        configuration.setLocale(Locale.forLanguageTag(language));
        return app.createConfigurationContext(configuration);
    }

    /** The places of a format, in any order. */
    private static TreeSet<String> places(String text) {
        TreeSet<String> found = new TreeSet<>();
        for (Matcher place = Pattern.compile("%(\\d\\$)?[sd]").matcher(text); place.find(); ) {
            found.add(place.group());
        }
        return found;
    }

    @Test
    public void everyTextIsThereInEveryLanguage() throws IllegalAccessException {
        Resources english = in("en").getResources();
        List<String> same = new ArrayList<>();
        for (String language : new String[] {"de", "zh-CN"}) {
            Resources other = in(language).getResources();
            for (Field field : R.string.class.getFields()) {
                int id = field.getInt(null);
                assertEquals(field.getName(), places(english.getString(id)), places(other.getString(id)));
                if (english.getString(id).equals(other.getString(id))) {
                    same.add(field.getName());
                }
            }
        }
        // A name, a sign, a word that is the same.
        same.removeAll(Arrays.asList("app_name", "ok", "ping", "link_hint", "server", "vibration", "confirm_host", "confirm_domain", "host_hint"));
        same.removeIf(name -> name.startsWith("tidings_"));
        assertTrue(same.toString(), same.isEmpty());
    }

    private List<Activity> screens() throws Exception {
        return screensOf(8);
    }

    private List<Activity> screensOf(int rows) throws Exception {
        return Arrays.asList(history(rows), details("n0"), open(ServerActivity.class, null), open(StatusActivity.class, null),
                open(TopicsActivity.class, null), open(SettingsActivity.class, null));
    }

    private static void each(View view, Consumer<View> look) {
        look.accept(view);
        for (int i = 0; view instanceof ViewGroup && i < ((ViewGroup) view).getChildCount(); i++) {
            each(((ViewGroup) view).getChildAt(i), look);
        }
    }

    @Test
    public void whateverCanBeTouchedHasWordsAndRoom() throws Exception {
        for (Activity screen : screens()) {
            int least = (int) (40 * screen.getResources().getDisplayMetrics().density);
            each(screen.getWindow().getDecorView(), view -> {
                if (!view.isShown() || !view.isClickable() || view instanceof ViewGroup || view instanceof TextView && ((TextView) view).isTextSelectable()) {
                    return;
                }
                boolean words = view.getContentDescription() != null || view instanceof TextView && ((TextView) view).length() > 0
                        || view instanceof EditText && ((EditText) view).getHint() != null;
                assertTrue(screen + " " + view, words);
                assertTrue(screen + " " + view, view.getHeight() >= least);
                if (view instanceof ImageButton) {
                    assertTrue(screen + " " + view, view.getContentDescription() != null);
                }
            });
        }
    }

    private static double luminance(int colour) {
        return Color.luminance(colour);
    }

    private static void assertContrast(Context context, int front, int back, double least) {
        double a = luminance(context.getColor(front));
        double b = luminance(context.getColor(back));
        double contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
        assertTrue(context.getResources().getResourceEntryName(front) + " on " + context.getResources().getResourceEntryName(back) + ": " + contrast,
                contrast >= least);
    }

    private void assertReadable() {
        for (int back : new int[] {R.color.surface, R.color.card}) {
            for (int front : new int[] {R.color.on_surface, R.color.muted, R.color.primary, R.color.bad}) {
                assertContrast(app, front, back, 4.5);
            }
            assertContrast(app, R.color.good, back, 3);
            assertContrast(app, R.color.warn, back, 3);
        }
        assertContrast(app, R.color.on_primary, R.color.primary, 4.5);
        assertContrast(app, R.color.on_primary_soft, R.color.primary_soft, 4.5);
        assertContrast(app, R.color.on_surface, R.color.bad_soft, 4.5);
    }

    @Test
    public void readableByDay() {
        assertReadable();
    }

    @Test
    @Config(qualifiers = "+night")
    public void readableAtNight() {
        assertReadable();
        assertTrue(luminance(app.getColor(R.color.surface)) < 0.05);
    }

    @Test
    public void theWallpapersColoursFromAndroid12On() {
        int own = Color.parseColor("#0a6a72");
        if (Build.VERSION.SDK_INT >= 31) {
            assertNotEquals(own, app.getColor(R.color.primary));
        } else {
            assertEquals(own, app.getColor(R.color.primary));
        }
    }

    @Test
    @Config(qualifiers = "ar-rEG-ldrtl")
    public void rightToLeft() throws Exception {
        for (Activity screen : screensOf(6 /* fewer samples in Arabic */)) {
            assertEquals(View.LAYOUT_DIRECTION_RTL, screen.findViewById(R.id.bar).getLayoutDirection());
        }
        assertTrue(app.getDrawable(R.drawable.ic_back).isAutoMirrored());
    }

    @Test
    public void theIconIsAdaptive() throws Exception {
        assertEquals(R.mipmap.ic_launcher, app.getApplicationInfo().icon);
        assertTrue(app.getDrawable(R.mipmap.ic_launcher) instanceof AdaptiveIconDrawable);
    }
}
