package org.tidings.core.device;

import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * Learns how long each network lets a silent connection live, so that the device wakes as seldom as
 * that allows: between one minute and nine and a half, since Android lets an idle device wake every nine.
 */
public final class Keepalive {
    public static final long LEAST = 60_000;
    public static final long FIRST = 300_000;
    public static final long MOST = 570_000;
    /** Networks that are remembered. */
    static final int NETWORKS = 32;
    /** Silences in a row that were survived, after which an old loss no longer counts. */
    private static final int FORGET_AFTER = 100;
    private static final long NONE = Long.MAX_VALUE;

    /** What is known of one network. */
    private static final class Record {
        long interval = FIRST;
        /** The shortest silence that a connection did not survive. */
        long lost = NONE;
        int held;
    }

    private final Map<String, Record> records = new LinkedHashMap<>(16, 0.75f, true);

    /** After how long a silence to ask for a sign of life on this network. */
    public long interval(String network) {
        Record record = records.get(network);
        return record == null ? FIRST : record.interval;
    }

    /** A connection survived this silence. True where that teaches something. */
    boolean held(String network, long silence) {
        Record record = record(network);
        long before = record.interval;
        if (silence >= record.interval) {
            if (++record.held >= FORGET_AFTER) {
                record.held = 0;
                record.lost = NONE;
            }
            long safe = record.lost == NONE ? MOST : record.lost / 5 * 4;
            record.interval = clamp(Math.max(record.interval, Math.min(record.interval / 2 * 3, safe)));
        }
        return record.interval != before;
    }

    /** A connection did not survive this silence, and that was the network's doing. */
    void lost(String network, long silence) {
        Record record = record(network);
        record.held = 0;
        record.lost = Math.max(LEAST, silence);
        record.interval = clamp(Math.min(record.interval, record.lost) / 3 * 2);
    }

    private Record record(String network) {
        Record record = records.get(network);
        if (record == null) {
            record = new Record();
            records.put(network, record);
            if (records.size() > NETWORKS) {
                Iterator<String> oldest = records.keySet().iterator();
                oldest.next();
                oldest.remove();
            }
        }
        return record;
    }

    private static long clamp(long interval) {
        return Math.max(LEAST, Math.min(MOST, interval));
    }

    /** A line for each network, for {@link #parse}. */
    String format() {
        StringBuilder text = new StringBuilder();
        for (Map.Entry<String, Record> entry : records.entrySet()) {
            Record record = entry.getValue();
            text.append(record.interval).append(' ').append(record.lost == NONE ? 0 : record.lost).append(' ')
                    .append(record.held).append(' ').append(entry.getKey().replace('\n', ' ')).append('\n');
        }
        return text.toString();
    }

    /** Takes what was learned before; a line that makes no sense is passed over. */
    void parse(String text) {
        for (String line : text == null ? new String[0] : text.split("\n")) {
            String[] fields = line.split(" ", 4);
            try {
                if (fields.length == 4) {
                    Record record = record(fields[3]);
                    record.interval = clamp(Long.parseLong(fields[0]));
                    long lost = Long.parseLong(fields[1]);
                    record.lost = lost <= 0 ? NONE : Math.max(LEAST, lost);
                    record.held = Math.max(0, Integer.parseInt(fields[2]));
                }
            } catch (NumberFormatException e) {
                records.remove(fields[3]);
            }
        }
    }
}
