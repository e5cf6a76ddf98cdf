package org.tidings.demo;

import android.content.Context;
import android.graphics.Typeface;
import android.os.Bundle;
import android.view.LayoutInflater;
import android.view.View;
import android.view.ViewGroup;
import android.view.accessibility.AccessibilityNodeInfo;
import android.widget.BaseAdapter;
import android.widget.ImageView;
import android.widget.TextView;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.function.Consumer;
import org.tidings.client.HistoryEntry;

/** Shows the history's entries as rows of a list, each with one sentence for a screen reader. */
final class HistoryAdapter extends BaseAdapter {
    private final LayoutInflater inflater;
    private final Images images;
    private final Consumer<HistoryEntry> delete;
    private List<HistoryEntry> entries = Collections.emptyList();

    HistoryAdapter(Context context, Images images, Consumer<HistoryEntry> delete) {
        this.inflater = LayoutInflater.from(context);
        this.images = images;
        this.delete = delete;
    }

    void set(List<HistoryEntry> entries) {
        this.entries = new ArrayList<>(entries);
        notifyDataSetChanged();
    }

    @Override
    public int getCount() {
        return entries.size();
    }

    @Override
    public HistoryEntry getItem(int position) {
        return entries.get(position);
    }

    @Override
    public long getItemId(int position) {
        return entries.get(position).id().hashCode();
    }

    @Override
    public View getView(int position, View old, ViewGroup parent) {
        View row = old != null ? old : inflater.inflate(R.layout.row, parent, false);
        HistoryEntry entry = getItem(position);
        Context context = row.getContext();
        boolean unread = !entry.isRead();
        String title = title(context, entry);
        String text = entry.title().isEmpty() ? "" : entry.message();
        String time = Times.brief(context, entry.sentAt());

        TextView titleView = row.findViewById(R.id.row_title);
        titleView.setText(title);
        titleView.setTypeface(Typeface.create("sans-serif", unread ? Typeface.BOLD : Typeface.NORMAL));
        row.findViewById(R.id.row_unread).setVisibility(unread ? View.VISIBLE : View.INVISIBLE);
        row.<TextView>findViewById(R.id.row_time).setText(time);
        Screen.setOrHide(row.findViewById(R.id.row_text), text);
        Screen.setOrHide(row.findViewById(R.id.row_topic), entry.topic());
        images.show(entry.image(), row.<ImageView>findViewById(R.id.row_image));

        row.findViewById(R.id.row_content).setTranslationX(0);
        row.setContentDescription(describe(context, entry, title, text, time));
        row.setAccessibilityDelegate(new Deletable(entry));
        return row;
    }

    /** The title; the message where there is none. */
    static String title(Context context, HistoryEntry entry) {
        String title = entry.title().isEmpty() ? entry.message() : entry.title();
        return title.isEmpty() ? context.getString(R.string.no_text) : title;
    }

    private static String describe(Context context, HistoryEntry entry, String title, String text, String time) {
        StringBuilder words = new StringBuilder(title);
        if (!text.isEmpty()) {
            words.append(". ").append(text);
        }
        words.append(". ").append(time);
        if (entry.topic() != null) {
            words.append(". ").append(context.getString(R.string.describe_topic, entry.topic()));
        }
        return entry.isRead() ? words.toString() : context.getString(R.string.describe_unread, words);
    }

    /** What a swipe does, for those who do not swipe. */
    private final class Deletable extends View.AccessibilityDelegate {
        private final HistoryEntry entry;

        Deletable(HistoryEntry entry) {
            this.entry = entry;
        }

        @Override
        public void onInitializeAccessibilityNodeInfo(View host, AccessibilityNodeInfo info) {
            super.onInitializeAccessibilityNodeInfo(host, info);
            info.addAction(new AccessibilityNodeInfo.AccessibilityAction(R.id.delete, host.getContext().getString(R.string.delete)));
        }

        @Override
        public boolean performAccessibilityAction(View host, int action, Bundle arguments) {
            if (action == R.id.delete) {
                delete.accept(entry);
                return true;
            }
            return super.performAccessibilityAction(host, action, arguments);
        }
    }
}
