package org.tidings.client;

import android.content.ContentValues;
import android.database.Cursor;
import android.database.DatabaseUtils;
import android.database.sqlite.SQLiteDatabase;
import android.os.Handler;
import android.os.Looper;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.CopyOnWriteArrayList;
import org.tidings.core.xml.Element;

/**
 * What this device has received, the newest first: the last 1,000, and at most 16 MiB of them. For any thread; it reads and
 * writes a database on the thread that asks.
 */
public final class History {
    private static final String ENTRY = "SELECT xml, received, is_read, opened FROM notification";

    /** Takes from the screen what the history no longer has as new. */
    interface Screen {
        void read(String id);

        void allRead();
    }

    private final Database database;
    private final Screen screen;
    private final List<HistoryListener> listeners = new CopyOnWriteArrayList<>();
    private final Handler main = new Handler(Looper.getMainLooper());

    History(Database database, Screen screen) {
        this.database = database;
        this.screen = screen;
    }

    /**
     * A part of the history.
     *
     * @param search words of which each must be there, or null for all entries
     * @param offset how many to pass over
     */
    public List<HistoryEntry> list(@Nullable String search, int offset, int limit) {
        StringBuilder query = new StringBuilder(ENTRY);
        List<String> arguments = new ArrayList<>();
        for (String word : search == null ? new String[0] : search.trim().toLowerCase(Locale.ROOT).split("\\s+")) {
            query.append(arguments.isEmpty() ? " WHERE" : " AND").append(" words LIKE ? ESCAPE '!'");
            arguments.add('%' + word.replace("!", "!!").replace("%", "!%").replace("_", "!_") + '%');
        }
        query.append(" ORDER BY received DESC, seq DESC LIMIT ").append(limit).append(" OFFSET ").append(offset);
        return entries(query.toString(), arguments.toArray(new String[0]));
    }

    /** One entry, or null where it is not there (any more). */
    @Nullable
    public HistoryEntry get(String id) {
        List<HistoryEntry> found = entries(ENTRY + " WHERE id = ?", new String[] {id});
        return found.isEmpty() ? null : found.get(0);
    }

    private List<HistoryEntry> entries(String query, String[] arguments) {
        List<HistoryEntry> found = new ArrayList<>();
        try (Cursor cursor = database.getReadableDatabase().rawQuery(query, arguments)) {
            while (cursor.moveToNext()) {
                Element element = SqliteStore.parse(cursor.getBlob(0));
                if (element != null) {
                    found.add(new HistoryEntry(element, cursor.getLong(1), cursor.getInt(2) != 0, cursor.getInt(3) != 0));
                }
            }
        }
        return found;
    }

    public int count() {
        return (int) DatabaseUtils.longForQuery(database.getReadableDatabase(), "SELECT count(*) FROM notification", null);
    }

    public int unread() {
        return (int) DatabaseUtils.longForQuery(database.getReadableDatabase(),
                "SELECT count(*) FROM notification WHERE is_read = 0", null);
    }

    public void markRead(String id) {
        set("is_read", "id = ?", id);
        screen.read(id);
        changed();
    }

    public void markAllRead() {
        set("is_read", "is_read = 0");
        screen.allRead();
        changed();
    }

    /** For {@link Tidings#opened}, which tells the server, too. */
    void markOpened(String id) {
        set("opened", "id = ?", id);
        markRead(id);
    }

    private void set(String column, String where, String... arguments) {
        ContentValues values = new ContentValues();
        values.put(column, 1);
        database.getWritableDatabase().update("notification", values, where, arguments);
    }

    /** Takes one out; {@link #putBack} undoes that. It does not come again from the server. */
    public void remove(String id) {
        database.getWritableDatabase().delete("notification", "id = ?", new String[] {id});
        screen.read(id);
        changed();
    }

    /** Puts an entry back in its place. */
    public void putBack(HistoryEntry entry) {
        SQLiteDatabase db = database.getWritableDatabase();
        SqliteStore.insert(db, entry.element, entry.notification(), entry.receivedAt(), true, entry.isRead());
        if (entry.isOpened()) {
            set("opened", "id = ?", entry.id());
        }
        changed();
    }

    /** Takes everything out. */
    public void clear() {
        database.getWritableDatabase().delete("notification", "shown = 1", null);
        screen.allRead();
        changed();
    }

    /** Whether the person has seen it: it is not shown anew then. */
    boolean isRead(String id) {
        return has(id, "is_read = 1");
    }

    /** Whether it was shown in full, so that a copy of it is not shown again. */
    boolean isShown(String id) {
        return has(id, "shown = 1");
    }

    private boolean has(String id, String condition) {
        return DatabaseUtils.longForQuery(database.getReadableDatabase(),
                "SELECT count(*) FROM notification WHERE id = ? AND " + condition, new String[] {id}) > 0;
    }

    public void addListener(HistoryListener listener) {
        listeners.add(listener);
    }

    public void removeListener(HistoryListener listener) {
        listeners.remove(listener);
    }

    void changed() {
        for (HistoryListener listener : listeners) {
            main.post(listener::onHistoryChanged);
        }
    }
}
