package org.tidings.client;

import java.time.DateTimeException;
import java.time.Instant;
import java.time.format.DateTimeFormatter;

/** Reads the server's times. */
final class Times {
    private Times() {}

    /** Milliseconds of the epoch of an RFC 3339 time; 0 where it is none. */
    static long parse(@Nullable String text) {
        if (text == null) {
            return 0;
        }
        try {
            return Instant.from(DateTimeFormatter.ISO_OFFSET_DATE_TIME.parse(text)).toEpochMilli();
        } catch (DateTimeException | ArithmeticException e) {
            return 0;
        }
    }
}
