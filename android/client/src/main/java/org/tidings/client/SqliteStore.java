package org.tidings.client;

import android.content.ContentValues;
import android.database.Cursor;
import android.database.DatabaseUtils;
import android.database.SQLException;
import android.database.sqlite.SQLiteDatabase;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.List;
import java.util.Locale;
import org.tidings.core.Notification;
import org.tidings.core.device.Account;
import org.tidings.core.device.SeenRing;
import org.tidings.core.device.Store;
import org.tidings.core.xml.Element;
import org.tidings.core.xml.XmlException;
import org.tidings.core.xml.XmlReader;

/** The core's store: notifications in the history's own table, in one commit with their ids, before they are acknowledged. */
final class SqliteStore implements Store {
    /** Notifications that the history keeps. */
    static final int MOST_KEPT = 1000;
    /** Bytes that they may have together. */
    static final long MOST_BYTES = 16L << 20;
    /** Characters of a notification that a search looks at. */
    private static final int SEARCHED = 4000;

    private final Database database;
    private final Secrets secrets;
    private final Runnable changed;
    /** The account as it was read or written last: the keystore takes its time. */
    private volatile Account last;

    SqliteStore(Database database, Secrets secrets, Runnable changed) {
        this.database = database;
        this.secrets = secrets;
        this.changed = changed;
    }

    /** Something done with the database. */
    private interface Work<T> {
        T run(SQLiteDatabase db);
    }

    /** The platform's exceptions of a full disk or a broken file, as the core expects them. */
    private <T> T attempt(Work<T> work) throws IOException {
        try {
            return work.run(database.getWritableDatabase());
        } catch (SQLException | IllegalStateException e) {
            throw new IOException(e.getClass().getSimpleName() + ": " + e.getMessage(), e);
        }
    }

    @Override
    public Account account() throws IOException {
        Account known = last;
        return known != null ? known : (last = readAccount());
    }

    private Account readAccount() throws IOException {
        String[] lines = Secrets.lines(secrets.read("account"));
        if (lines.length < 6) {
            return null;
        }
        return new Account(lines[0], lines[1], lines[2], lines[3].equals("registered"), lines[4].equals("own"),
                lines[5].isEmpty() ? null : lines[5]);
    }

    @Override
    public void saveAccount(Account account) throws IOException {
        secrets.write("account", Secrets.join(account.username(), account.password(), account.agent(),
                account.registered() ? "registered" : "new", account.own() ? "own" : "given",
                account.identity() == null ? "" : account.identity()));
        last = account;
    }

    @Override
    public List<String> recentIds() throws IOException {
        return attempt(db -> strings(db, "SELECT id FROM seen ORDER BY seq"));
    }

    private static List<String> strings(SQLiteDatabase db, String query) {
        List<String> found = new ArrayList<>();
        try (Cursor cursor = db.rawQuery(query, null)) {
            while (cursor.moveToNext()) {
                found.add(cursor.getString(0));
            }
        }
        return found;
    }

    @Override
    public void save(List<Notification> notifications) throws IOException {
        attempt(db -> {
            db.beginTransaction();
            try {
                for (Notification notification : notifications) {
                    insert(db, notification.toElement(), notification, System.currentTimeMillis(), false, false);
                    if (notification.id().length() <= SeenRing.MAX_ID) {
                        db.execSQL("INSERT OR IGNORE INTO seen (id) VALUES (?)", new Object[] {notification.id()});
                    }
                }
                db.execSQL("DELETE FROM seen WHERE seq <= (SELECT max(seq) FROM seen) - " + SeenRing.SIZE);
                trim(db);
                db.setTransactionSuccessful();
            } finally {
                db.endTransaction();
            }
            return null;
        });
        changed.run();
    }

    /** Adds one to the history; one that is there stays as it is. */
    static void insert(SQLiteDatabase db, Element element, Notification notification, long received, boolean shown, boolean read) {
        byte[] xml = element.toBytes();
        ContentValues row = new ContentValues();
        row.put("id", notification.id());
        row.put("xml", xml);
        row.put("words", words(notification));
        row.put("size", xml.length);
        row.put("received", received);
        row.put("shown", shown ? 1 : 0);
        row.put("is_read", read ? 1 : 0);
        db.insertWithOnConflict("notification", null, row, SQLiteDatabase.CONFLICT_IGNORE);
    }

    private static String words(Notification notification) {
        String text = SafeText.line(notification.title(), SEARCHED) + '\n' + SafeText.line(notification.message(), SEARCHED) + '\n'
                + SafeText.line(notification.topic(), SEARCHED);
        return text.toLowerCase(Locale.ROOT);
    }

    /** The oldest give way, those that were not shown excepted. */
    private static void trim(SQLiteDatabase db) {
        db.execSQL("DELETE FROM notification WHERE shown = 1 AND seq <= (SELECT seq FROM notification ORDER BY seq DESC LIMIT 1 OFFSET "
                + MOST_KEPT + ")");
        long bytes = DatabaseUtils.longForQuery(db, "SELECT total(size) FROM notification", null);
        while (bytes > MOST_BYTES) {
            int gone = db.delete("notification",
                    "seq IN (SELECT seq FROM notification WHERE shown = 1 ORDER BY seq LIMIT 16)", null);
            if (gone == 0) {
                return;
            }
            bytes = DatabaseUtils.longForQuery(db, "SELECT total(size) FROM notification", null);
        }
    }

    @Override
    public List<Notification> unshown() throws IOException {
        return attempt(db -> {
            List<Notification> found = new ArrayList<>();
            try (Cursor cursor = db.rawQuery("SELECT xml FROM notification WHERE shown = 0 ORDER BY seq", null)) {
                while (cursor.moveToNext()) {
                    Notification notification = Notification.of(parse(cursor.getBlob(0)));
                    if (notification != null) {
                        found.add(notification);
                    }
                }
            }
            return found;
        });
    }

    /** An element that was kept; null where the row is damaged. */
    @Nullable
    static Element parse(byte[] xml) {
        try {
            List<Element> read = XmlReader.parse(xml);
            return read.size() == 1 ? read.get(0) : null;
        } catch (XmlException e) {
            return null;
        }
    }

    @Override
    public void shown(String id) throws IOException {
        attempt(db -> {
            db.execSQL("UPDATE notification SET shown = 1 WHERE id = ?", new Object[] {id});
            return null;
        });
    }

    @Override
    public List<String> topics() throws IOException {
        return new ArrayList<>(Arrays.asList(Secrets.lines(value("topics"))));
    }

    @Override
    public void saveTopics(Collection<String> topics) throws IOException {
        setValue("topics", Secrets.join(topics.toArray(new String[0])));
    }

    @Override
    public String keepalive() throws IOException {
        return value("keepalive");
    }

    @Override
    public void saveKeepalive(String learned) throws IOException {
        setValue("keepalive", learned);
    }

    private String value(String name) throws IOException {
        return attempt(db -> {
            try (Cursor cursor = db.rawQuery("SELECT content FROM value WHERE name = ?", new String[] {name})) {
                return cursor.moveToFirst() ? cursor.getString(0) : null;
            }
        });
    }

    private void setValue(String name, String content) throws IOException {
        attempt(db -> {
            db.execSQL("INSERT OR REPLACE INTO value (name, content) VALUES (?, ?)", new Object[] {name, content});
            return null;
        });
    }

    /** For this server and account from now on; what was true of another account is forgotten. The history stays. */
    void use(String server) throws IOException {
        String before = value("server");
        if (before != null && !before.equals(server)) {
            secrets.remove("account");
            last = null;
            attempt(db -> {
                db.execSQL("DELETE FROM value WHERE name = 'topics'");
                db.execSQL("DELETE FROM seen");
                return null;
            });
        }
        if (!server.equals(before)) {
            setValue("server", server);
        }
    }
}
