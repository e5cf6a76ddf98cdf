package org.tidings.core.store;

import java.io.File;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Base64;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.zip.CRC32;
import org.tidings.core.Notification;
import org.tidings.core.device.SeenRing;
import org.tidings.core.xml.Element;
import org.tidings.core.xml.XmlException;
import org.tidings.core.xml.XmlReader;

/**
 * A file of lines: {@code +} and a notification that was stored, {@code =} and an id that was shown.
 *
 * <p>Each line ends with a checksum; what a crash left behind the last whole one is cut off. The
 * file is written anew when most of it is outdated.
 */
final class Journal implements AutoCloseable {
    /** Lines after which the file is written anew. */
    private static final int LONG = 4 * SeenRing.SIZE;
    /** Bytes after which it is, unless so many are of use. */
    private static final long LARGE = 2 << 20;
    private static final Base64.Encoder ENCODER = Base64.getEncoder();

    private final File file;
    private RandomAccessFile out;
    private int lines;
    private long rewriteAt = LARGE;
    private final Set<String> recent = new LinkedHashSet<>();
    private final Map<String, Notification> unshown = new LinkedHashMap<>();

    Journal(File file) throws IOException {
        this.file = file;
        open();
    }

    private void open() throws IOException {
        out = new RandomAccessFile(file, "rw");
        byte[] all = new byte[(int) Math.min(out.length(), Integer.MAX_VALUE)];
        out.readFully(all);
        int whole = 0;
        for (int at = 0; at < all.length; at++) {
            if (all[at] == '\n') {
                if (!apply(new String(all, whole, at - whole, StandardCharsets.US_ASCII))) {
                    break;
                }
                whole = at + 1;
                lines++;
            }
        }
        out.setLength(whole);
        out.seek(whole);
    }

    /** Takes a line; false where it is not whole. */
    private boolean apply(String line) {
        int end = line.lastIndexOf(' ');
        if (end < 1 || !line.substring(end + 1).equals(checksum(line.substring(0, end)))) {
            return false;
        }
        try {
            String text = new String(Base64.getDecoder().decode(line.substring(1, end)), StandardCharsets.UTF_8);
            if (line.charAt(0) == '=') {
                unshown.remove(text);
                remember(text);
                return true;
            }
            List<Element> read = XmlReader.parse(text.getBytes(StandardCharsets.UTF_8));
            Notification notification = read.size() == 1 ? Notification.of(read.get(0)) : null;
            if (notification != null) {
                keep(notification);
            }
            return true;
        } catch (IllegalArgumentException | XmlException e) {
            return false;
        }
    }

    private void keep(Notification notification) {
        unshown.put(notification.id(), notification);
        remember(notification.id());
    }

    private void remember(String id) {
        if (id.length() <= SeenRing.MAX_ID && recent.add(id) && recent.size() > SeenRing.SIZE) {
            Iterator<String> oldest = recent.iterator();
            oldest.next();
            oldest.remove();
        }
    }

    List<String> recentIds() {
        return new ArrayList<>(recent);
    }

    List<Notification> unshown() {
        return new ArrayList<>(unshown.values());
    }

    void save(List<Notification> notifications) throws IOException {
        StringBuilder text = new StringBuilder();
        for (Notification notification : notifications) {
            text.append(line('+', notification.toElement().toString()));
        }
        append(text, notifications.size(), true);
        for (Notification notification : notifications) {
            keep(notification);
        }
    }

    /** Reaches the disk with what comes next: losing it shows the notification once more. */
    void shown(String id) throws IOException {
        unshown.remove(id);
        append(new StringBuilder(line('=', id)), 1, false);
        if (lines > LONG || out.getFilePointer() > rewriteAt) {
            rewrite();
        }
    }

    private void append(StringBuilder text, int count, boolean sync) throws IOException {
        long before = out.getFilePointer();
        try {
            out.write(text.toString().getBytes(StandardCharsets.US_ASCII));
            if (sync) {
                out.getFD().sync();
            }
            lines += count;
        } catch (IOException e) {
            // Half a line must not stand before the next one.
            out.setLength(before);
            out.seek(before);
            throw e;
        }
    }

    private void rewrite() throws IOException {
        StringBuilder text = new StringBuilder();
        int count = 0;
        for (String id : recent) {
            if (!unshown.containsKey(id)) {
                text.append(line('=', id));
                count++;
            }
        }
        for (Notification notification : unshown.values()) {
            text.append(line('+', notification.toElement().toString()));
            count++;
        }
        FileStore.replace(file, text.toString().getBytes(StandardCharsets.US_ASCII));
        out.close();
        out = new RandomAccessFile(file, "rw");
        out.seek(out.length());
        lines = count;
        rewriteAt = Math.max(LARGE, 2 * out.length());
    }

    private static String line(char kind, String text) {
        String body = kind + ENCODER.encodeToString(text.getBytes(StandardCharsets.UTF_8));
        return body + " " + checksum(body) + "\n";
    }

    private static String checksum(String text) {
        CRC32 crc = new CRC32();
        byte[] bytes = text.getBytes(StandardCharsets.US_ASCII);
        crc.update(bytes, 0, bytes.length);
        return Long.toHexString(crc.getValue());
    }

    @Override
    public void close() throws IOException {
        out.close();
    }
}
