package org.tidings.demo;

import android.content.ActivityNotFoundException;
import android.content.Context;
import android.content.Intent;
import android.os.Bundle;
import android.view.Menu;
import android.view.MenuItem;
import android.view.View;
import android.widget.Toast;
import java.util.Map;
import org.tidings.client.HistoryEntry;
import org.tidings.client.Tidings;
import org.tidings.core.Notification;

/** One notification in full, with an OK that opens its address, as androidpn's had. */
public final class DetailsActivity extends Screen {
    /** Characters of a title from which on it is set smaller. */
    private static final int LONG_TITLE = 80;

    private HistoryEntry entry;

    static Intent intent(Context context, String id) {
        return new Intent(context, DetailsActivity.class).putExtra(Tidings.EXTRA_ID, id);
    }

    @Override
    protected void onCreate(Bundle saved) {
        super.onCreate(saved);
        show(R.layout.details, true);
        findViewById(R.id.ok).setOnClickListener(view -> ok());
        load(getIntent());
    }

    @Override
    protected void onNewIntent(Intent intent) {
        super.onNewIntent(intent);
        setIntent(intent);
        load(intent);
    }

    private void load(Intent intent) {
        String id = intent.getStringExtra(Tidings.EXTRA_ID);
        findViewById(R.id.uri_card).setVisibility(View.GONE);
        findViewById(R.id.data_card).setVisibility(View.GONE);
        Background.load(() -> id == null ? null : tidings().history().get(id), found -> {
            if (isDestroyed()) {
                return;
            }
            entry = found;
            if (entry == null) {
                text(R.id.title).setText(R.string.gone);
            } else {
                show(entry);
                if (!entry.isOpened()) {
                    Background.run(() -> tidings().opened(entry.id()));
                }
            }
            invalidateOptionsMenu();
        });
    }

    private void show(HistoryEntry entry) {
        String title = HistoryAdapter.title(this, entry);
        setOrHide(text(R.id.title), title);
        text(R.id.title).setTextSize(title.length() > LONG_TITLE ? 18 : 24);
        setOrHide(text(R.id.message), entry.title().isEmpty() ? null : entry.message());
        text(R.id.meta).setText(meta(entry));
        new Images(this).show(entry.image(), findViewById(R.id.image));
        String uri = entry.uri();
        if (uri != null && !uri.isEmpty()) {
            boolean opens = tidings().uris().intent(uri) != null;
            findViewById(R.id.uri_card).setVisibility(View.VISIBLE);
            findViewById(R.id.uri_card).setBackgroundResource(opens ? R.drawable.card : R.drawable.card_bad);
            text(R.id.uri_label).setText(opens ? R.string.opens_with_ok : R.string.not_opened);
            text(R.id.uri).setText(Harmless.line(uri));
        }
        if (!entry.data().isEmpty()) {
            findViewById(R.id.data_card).setVisibility(View.VISIBLE);
            text(R.id.data).setText(data(entry.data()));
        }
    }

    private String meta(HistoryEntry entry) {
        StringBuilder text = new StringBuilder(Times.full(this, entry.sentAt()));
        if (entry.topic() != null) {
            text.append(" · ").append(entry.topic());
        }
        if (entry.priority() != Notification.Priority.NORMAL) {
            text.append(" · ").append(getString(entry.priority() == Notification.Priority.HIGH ? R.string.high_priority : R.string.low_priority));
        }
        return text.toString();
    }

    private static String data(Map<String, String> data) {
        StringBuilder text = new StringBuilder();
        for (Map.Entry<String, String> pair : data.entrySet()) {
            text.append(text.length() == 0 ? "" : "\n").append(Harmless.line(pair.getKey())).append(" = ").append(Harmless.line(pair.getValue()));
        }
        return text.toString();
    }

    /** Opens the address, where there is one and it may be; closes otherwise. */
    private void ok() {
        Intent open = entry == null ? null : tidings().uris().intent(entry.uri());
        if (open != null) {
            try {
                startActivity(open);
            } catch (ActivityNotFoundException | SecurityException e) {
                Toast.makeText(this, R.string.cannot_open, Toast.LENGTH_LONG).show();
                return;
            }
        }
        finish();
    }

    @Override
    public boolean onCreateOptionsMenu(Menu menu) {
        if (entry != null) {
            getMenuInflater().inflate(R.menu.details, menu);
        }
        return true;
    }

    @Override
    public boolean onOptionsItemSelected(MenuItem item) {
        if (entry == null) {
            return false;
        }
        if (item.getItemId() == R.id.delete) {
            String id = entry.id();
            Background.run(() -> tidings().history().remove(id));
            finish();
            return true;
        }
        if (item.getItemId() == R.id.share) {
            startActivity(Intent.createChooser(new Intent(Intent.ACTION_SEND).setType("text/plain")
                    .putExtra(Intent.EXTRA_SUBJECT, entry.title()).putExtra(Intent.EXTRA_TEXT, shared(entry)), null));
            return true;
        }
        return super.onOptionsItemSelected(item);
    }

    private static String shared(HistoryEntry entry) {
        StringBuilder text = new StringBuilder(entry.title());
        for (String part : new String[] {entry.message(), entry.uri()}) {
            if (part != null && !part.isEmpty()) {
                text.append(text.length() == 0 ? "" : "\n\n").append(part);
            }
        }
        return text.toString();
    }
}
