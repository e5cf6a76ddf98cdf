package org.tidings.client;

import android.content.Context;
import android.database.sqlite.SQLiteDatabase;
import android.database.sqlite.SQLiteOpenHelper;
import java.io.File;

/** The file of notifications and of what the connection must remember; not part of a phone's backup. */
final class Database extends SQLiteOpenHelper {
    private static final int VERSION = 1;

    Database(Context context) {
        super(context, new File(context.getNoBackupFilesDir(), "tidings.db").getPath(), null, VERSION);
    }

    /** What was committed is on the disk: a notification is acknowledged because of it. */
    @Override
    public void onConfigure(SQLiteDatabase db) {
        db.disableWriteAheadLogging();
        db.execSQL("PRAGMA synchronous=FULL");
    }

    @Override
    public void onCreate(SQLiteDatabase db) {
        db.execSQL("CREATE TABLE notification (seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, xml BLOB NOT NULL,"
                + " words TEXT NOT NULL, size INTEGER NOT NULL, received INTEGER NOT NULL, shown INTEGER NOT NULL DEFAULT 0,"
                + " is_read INTEGER NOT NULL DEFAULT 0, opened INTEGER NOT NULL DEFAULT 0)");
        db.execSQL("CREATE INDEX notification_received ON notification (received, seq)");
        db.execSQL("CREATE INDEX notification_unshown ON notification (seq) WHERE shown = 0");
        db.execSQL("CREATE TABLE seen (seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE)");
        db.execSQL("CREATE TABLE value (name TEXT PRIMARY KEY, content TEXT NOT NULL)");
    }

    @Override
    public void onUpgrade(SQLiteDatabase db, int from, int to) {
        throw new IllegalStateException("there is no version " + from);
    }
}
