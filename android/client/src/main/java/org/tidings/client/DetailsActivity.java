package org.tidings.client;

import android.app.Activity;
import android.content.ActivityNotFoundException;
import android.content.Intent;
import android.os.Bundle;
import android.text.format.DateUtils;
import android.view.View;
import android.widget.ImageView;
import android.widget.TextView;

/** Shows one notification in full, with a button that opens its URI: for apps that have no such screen of their own. */
public final class DetailsActivity extends Activity {
    @Override
    protected void onCreate(Bundle state) {
        super.onCreate(state);
        Tidings tidings = Tidings.of(this);
        String id = getIntent().getStringExtra(Tidings.EXTRA_ID);
        HistoryEntry entry = id == null ? null : tidings.history().get(id);
        if (entry == null) {
            finish();
            return;
        }
        setContentView(R.layout.tidings_details);
        setTitle(getApplicationInfo().loadLabel(getPackageManager()));
        text(R.id.tidings_details_title, entry.title());
        text(R.id.tidings_details_message, entry.message());
        text(R.id.tidings_details_time, DateUtils.formatDateTime(this, entry.sentAt(),
                DateUtils.FORMAT_SHOW_DATE | DateUtils.FORMAT_SHOW_TIME | DateUtils.FORMAT_ABBREV_ALL));
        Intent opens = tidings.uris().intent(entry.uri());
        text(R.id.tidings_details_uri, opens == null ? "" : SafeText.line(entry.uri(), SafeText.TITLE));
        findViewById(R.id.tidings_details_ok).setOnClickListener(view -> ok(opens));
        if (entry.image() != null && tidings.settings().hasImages()) {
            ImageView picture = findViewById(R.id.tidings_details_image);
            tidings.images().load(entry.image(), image -> {
                if (image != null && !isDestroyed()) {
                    picture.setImageBitmap(image);
                    picture.setVisibility(View.VISIBLE);
                }
            });
        }
    }

    private void text(int view, String text) {
        TextView found = findViewById(view);
        found.setText(text);
        found.setVisibility(text.isEmpty() ? View.GONE : View.VISIBLE);
    }

    private void ok(@Nullable Intent opens) {
        try {
            if (opens != null) {
                startActivity(opens);
            }
        } catch (ActivityNotFoundException | SecurityException e) {
            findViewById(R.id.tidings_details_no_app).setVisibility(View.VISIBLE);
            return;
        }
        finish();
    }
}
