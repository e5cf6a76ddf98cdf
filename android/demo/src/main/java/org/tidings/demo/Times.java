package org.tidings.demo;

import android.content.Context;
import android.text.format.DateUtils;

/** Says times as people do: the hour today, the day before that. */
final class Times {
    private Times() {}

    static String brief(Context context, long time) {
        int flags = DateUtils.isToday(time) ? DateUtils.FORMAT_SHOW_TIME : DateUtils.FORMAT_SHOW_DATE | DateUtils.FORMAT_ABBREV_MONTH;
        return DateUtils.formatDateTime(context, time, flags);
    }

    static String full(Context context, long time) {
        int day = DateUtils.isToday(time) ? 0 : DateUtils.FORMAT_SHOW_DATE | DateUtils.FORMAT_ABBREV_MONTH;
        return DateUtils.formatDateTime(context, time, day | DateUtils.FORMAT_SHOW_TIME);
    }

    /** "in 12 seconds". */
    static String until(Context context, long time, long now) {
        int seconds = (int) Math.min(Integer.MAX_VALUE, (time - now + 500) / 1_000);
        if (seconds < 2) {
            return context.getString(R.string.in_a_moment);
        }
        return seconds < 100 ? context.getResources().getQuantityString(R.plurals.in_seconds, seconds, seconds)
                : context.getResources().getQuantityString(R.plurals.in_minutes, (seconds + 30) / 60, (seconds + 30) / 60);
    }
}
