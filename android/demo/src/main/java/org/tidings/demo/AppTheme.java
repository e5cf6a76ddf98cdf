package org.tidings.demo;

import android.content.Context;
import android.content.SharedPreferences;
import android.content.res.Configuration;

/** Which theme the person chose: light, dark, or the system's. */
enum AppTheme {
    SYSTEM(R.string.theme_system),
    LIGHT(R.string.theme_light),
    DARK(R.string.theme_dark);

    private static final String KEY = "theme";

    final int label;

    AppTheme(int label) {
        this.label = label;
    }

    private static SharedPreferences preferences(Context context) {
        return context.getSharedPreferences("app", Context.MODE_PRIVATE);
    }

    static AppTheme chosen(Context context) {
        String name = preferences(context).getString(KEY, "");
        for (AppTheme theme : values()) {
            if (theme.name().equals(name)) {
                return theme;
            }
        }
        return SYSTEM;
    }

    void choose(Context context) {
        preferences(context).edit().putString(KEY, name()).apply();
    }

    /** What of a configuration this theme decides; null for nothing. */
    Configuration override(Configuration of) {
        if (this == SYSTEM) {
            return null;
        }
        Configuration only = new Configuration();
        only.fontScale = 0;
        only.uiMode = of.uiMode & ~Configuration.UI_MODE_NIGHT_MASK
                | (this == DARK ? Configuration.UI_MODE_NIGHT_YES : Configuration.UI_MODE_NIGHT_NO);
        return only;
    }
}
