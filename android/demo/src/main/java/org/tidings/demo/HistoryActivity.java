package org.tidings.demo;

import android.content.Intent;
import android.os.Bundle;
import android.view.Menu;
import android.view.MenuItem;
import android.view.View;
import android.widget.AbsListView;
import android.widget.ImageView;
import android.widget.ListView;
import android.widget.SearchView;
import java.util.ArrayList;
import java.util.List;
import org.tidings.client.ConnectionStatus;
import org.tidings.client.HistoryEntry;
import org.tidings.client.HistoryListener;
import org.tidings.client.NotificationPermission;
import org.tidings.client.StatusListener;

/** The first screen: what came, the newest first, and in one line whether more can come. */
public final class HistoryActivity extends Screen {
    private static final int PAGE = 100;
    private static final int ASK_NOTIFICATIONS = 1;

    private final HistoryListener historyListener = this::reload;
    private final StatusListener statusListener = this::showStatus;
    private HistoryAdapter adapter;
    private UndoBar undo;
    private ListView list;
    private SearchView search;
    private String words = "";
    private boolean unreadOnly;
    private int wanted = PAGE;
    private int loading;

    @Override
    protected void onCreate(Bundle saved) {
        super.onCreate(saved);
        show(R.layout.history, false);
        if (saved != null) {
            words = saved.getString("words", "");
            unreadOnly = saved.getBoolean("unread");
            wanted = saved.getInt("wanted", PAGE);
        }
        list = findViewById(R.id.list);
        adapter = new HistoryAdapter(this, new Images(this), this::delete);
        undo = new UndoBar(findViewById(R.id.undo_bar), findViewById(R.id.undo), this::putBack);
        list.setAdapter(adapter);
        list.setEmptyView(findViewById(R.id.empty));
        list.setOnItemClickListener((parent, row, position, id) -> open(adapter.getItem(position)));
        list.setOnItemLongClickListener((parent, row, position, id) -> {
            delete(adapter.getItem(position));
            return true;
        });
        list.setOnTouchListener(new SwipeToDelete(list, position -> {
            if (position < adapter.getCount()) {
                delete(adapter.getItem(position));
            }
        }));
        list.setOnScrollListener(new AbsListView.OnScrollListener() {
            @Override
            public void onScrollStateChanged(AbsListView view, int state) {}

            @Override
            public void onScroll(AbsListView view, int first, int visible, int total) {
                if (total >= wanted && first + visible > total - 10) {
                    wanted += PAGE;
                    reload();
                }
            }
        });
        findViewById(R.id.state).setOnClickListener(view -> startActivity(new Intent(this, StatusActivity.class)));
        findViewById(R.id.add_server).setOnClickListener(view -> startActivity(new Intent(this, ServerActivity.class)));
    }

    @Override
    protected void onSaveInstanceState(Bundle out) {
        super.onSaveInstanceState(out);
        out.putString("words", words);
        out.putBoolean("unread", unreadOnly);
        out.putInt("wanted", wanted);
    }

    @Override
    protected void onStart() {
        super.onStart();
        tidings().history().addListener(historyListener);
        tidings().addStatusListener(statusListener);
        showStatus(tidings().status());
        reload();
    }

    @Override
    protected void onResume() {
        super.onResume();
        if (tidings().server() != null && !NotificationPermission.isGranted(this)) {
            NotificationPermission.request(this, ASK_NOTIFICATIONS);
        }
    }

    @Override
    protected void onStop() {
        tidings().history().removeListener(historyListener);
        tidings().removeStatusListener(statusListener);
        undo.hide();
        super.onStop();
    }

    @Override
    public boolean onCreateOptionsMenu(Menu menu) {
        getMenuInflater().inflate(R.menu.history, menu);
        menu.findItem(R.id.unread_only).setChecked(unreadOnly);
        MenuItem item = menu.findItem(R.id.search);
        search = (SearchView) item.getActionView();
        search.setQueryHint(getString(R.string.search_hint));
        if (!words.isEmpty()) {
            item.expandActionView();
            search.setQuery(words, false);
            search.clearFocus();
        }
        search.setOnQueryTextListener(new SearchView.OnQueryTextListener() {
            @Override
            public boolean onQueryTextSubmit(String query) {
                search.clearFocus();
                return true;
            }

            @Override
            public boolean onQueryTextChange(String query) {
                words = query.trim();
                reload();
                return true;
            }
        });
        return true;
    }

    @Override
    public boolean onOptionsItemSelected(MenuItem item) {
        int id = item.getItemId();
        if (id == R.id.unread_only) {
            unreadOnly = !item.isChecked();
            item.setChecked(unreadOnly);
            reload();
        } else if (id == R.id.read_all) {
            Background.run(() -> tidings().history().markAllRead());
        } else if (id == R.id.status) {
            startActivity(new Intent(this, StatusActivity.class));
        } else if (id == R.id.topics) {
            startActivity(new Intent(this, TopicsActivity.class));
        } else if (id == R.id.settings) {
            startActivity(new Intent(this, SettingsActivity.class));
        } else {
            return super.onOptionsItemSelected(item);
        }
        return true;
    }

    private void open(HistoryEntry entry) {
        startActivity(DetailsActivity.intent(this, entry.id()));
    }

    private void delete(HistoryEntry entry) {
        Background.run(() -> tidings().history().remove(entry.id()));
        undo.offer(entry);
    }

    private void putBack(List<HistoryEntry> entries) {
        Background.run(() -> entries.forEach(tidings().history()::putBack));
    }

    /** Only the newest of several requests is shown. */
    private void reload() {
        int request = ++loading;
        String query = words.isEmpty() ? null : words;
        int limit = wanted;
        boolean unread = unreadOnly;
        Background.load(() -> load(query, limit, unread), entries -> {
            if (request == loading && !isDestroyed()) {
                adapter.set(entries);
                showEmpty();
            }
        });
    }

    private List<HistoryEntry> load(String query, int limit, boolean unreadOnly) {
        List<HistoryEntry> entries = new ArrayList<>(tidings().history().list(query, 0, limit));
        if (unreadOnly) {
            entries.removeIf(HistoryEntry::isRead);
        }
        return entries;
    }

    private void showEmpty() {
        boolean noServer = tidings().server() == null;
        boolean searching = !words.isEmpty();
        text(R.id.empty_title).setText(searching ? R.string.nothing_found : noServer ? R.string.no_server
                : unreadOnly ? R.string.all_read : R.string.nothing_yet);
        text(R.id.empty_text).setText(searching ? R.string.nothing_found_text : noServer ? R.string.no_server_text
                : unreadOnly ? R.string.all_read_text : R.string.nothing_yet_text);
        findViewById(R.id.add_server).setVisibility(noServer && !searching ? View.VISIBLE : View.GONE);
    }

    private void showStatus(ConnectionStatus status) {
        boolean server = tidings().server() != null;
        findViewById(R.id.state).setVisibility(server ? View.VISIBLE : View.GONE);
        StateView.colour((ImageView) findViewById(R.id.state_dot), status);
        String trouble = status.isOnline() ? null : StateView.trouble(this, status);
        String state = status.text(this);
        text(R.id.state_text).setText(trouble == null ? state : StateView.needsPerson(status) ? trouble : state + "\n" + trouble);
        showEmpty();
    }
}
