package org.tidings.client;

import android.util.Log;
import java.io.File;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.OutputStreamWriter;
import java.io.Writer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.StandardCopyOption;
import java.time.Instant;
import java.util.LinkedHashSet;
import java.util.Set;
import java.util.regex.Pattern;

/**
 * What the connection did, for a person to send to a developer: in a small file across restarts, without servers' and
 * accounts' names, addresses, and whatever a notification says.
 */
final class EventLog {
    private static final String TAG = "tidings";
    private static final long MOST_BYTES = 64 * 1024;
    private static final int MOST_LINE = 500;
    private static final Pattern IPV4 = Pattern.compile("\\b\\d{1,3}(\\.\\d{1,3}){3}\\b");
    private static final Pattern IPV6 = Pattern.compile("(?i)(?<![0-9a-z:])[0-9a-f]{0,4}(:[0-9a-f]{0,4}){2,7}(?![0-9a-z:])");
    private static final Pattern LONG_HEX = Pattern.compile("(?i)\\b[0-9a-f]{16,}\\b");
    private static final Pattern HOST = Pattern.compile("(?i)\\b([a-z0-9-]+\\.)+[a-z]{2,}\\b(?=[:/]|$| \\()");

    private final File file;
    private final File older;
    private final Set<String> hidden = new LinkedHashSet<>();

    EventLog(File folder) {
        file = new File(folder, "tidings.log");
        older = new File(folder, "tidings.log.1");
    }

    /** A word that must not be in the log. */
    synchronized void hide(@Nullable String word) {
        if (word != null && word.length() > 2) {
            hidden.add(word);
        }
    }

    synchronized void add(String event) {
        String line = redact(event);
        Log.i(TAG, line);
        try {
            if (file.length() > MOST_BYTES) {
                Files.move(file.toPath(), older.toPath(), StandardCopyOption.REPLACE_EXISTING);
            }
            try (Writer out = new OutputStreamWriter(new FileOutputStream(file, true), StandardCharsets.UTF_8)) {
                out.write(Instant.ofEpochMilli(System.currentTimeMillis()) + " " + line + "\n");
            }
        } catch (IOException e) {
            // A log that cannot be written must not end what it tells of.
            Log.w(TAG, "the log cannot be written");
        }
    }

    private String redact(String event) {
        String line = SafeText.line(event, MOST_LINE);
        for (String word : hidden) {
            line = line.replace(word, "***");
        }
        line = IPV4.matcher(line).replaceAll("***");
        line = IPV6.matcher(line).replaceAll("***");
        line = HOST.matcher(line).replaceAll("***");
        return LONG_HEX.matcher(line).replaceAll("***");
    }

    /** Everything, the oldest first. */
    synchronized String read() {
        return read(older) + read(file);
    }

    private static String read(File file) {
        try {
            return file.exists() ? new String(Files.readAllBytes(file.toPath()), StandardCharsets.UTF_8) : "";
        } catch (IOException e) {
            return "";
        }
    }
}
