package org.tidings.demo;

import android.app.Activity;
import android.content.Context;
import android.content.res.Configuration;
import android.view.View;
import android.widget.TextView;
import android.widget.Toolbar;
import org.tidings.client.Tidings;

/** What every screen of the app has: the chosen theme, a bar with a way back, and the library. */
abstract class Screen extends Activity {
    private AppTheme theme;

    @Override
    protected void attachBaseContext(Context base) {
        super.attachBaseContext(base);
        theme = AppTheme.chosen(base);
        Configuration override = theme.override(base.getResources().getConfiguration());
        if (override != null) {
            applyOverrideConfiguration(override);
        }
    }

    @Override
    protected void onStart() {
        super.onStart();
        if (theme != AppTheme.chosen(this)) {
            recreate();
        }
    }

    /** Shows a layout that has the bar. */
    final void show(int layout, boolean back) {
        setContentView(layout);
        Toolbar bar = findViewById(R.id.bar);
        setActionBar(bar);
        if (back) {
            bar.setNavigationIcon(R.drawable.ic_back);
            bar.setNavigationContentDescription(R.string.back);
            bar.setNavigationOnClickListener(view -> finish());
        }
    }

    final Tidings tidings() {
        return Tidings.of(this);
    }

    final TextView text(int id) {
        return findViewById(id);
    }

    /** Sets a text, and hides the view where there is none. */
    static void setOrHide(TextView view, CharSequence text) {
        boolean there = text != null && text.length() > 0;
        view.setText(there ? text : "");
        view.setVisibility(there ? View.VISIBLE : View.GONE);
    }
}
