package org.tidings.demo;

import android.view.View;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import org.tidings.client.HistoryEntry;

/** Offers for some seconds to take back what was deleted in that time. */
final class UndoBar {
    private static final long SHOWN = 6_000;

    private final View bar;
    private final Consumer<List<HistoryEntry>> putBack;
    private final Runnable hide = this::hide;
    private final List<HistoryEntry> deleted = new ArrayList<>();

    UndoBar(View bar, View button, Consumer<List<HistoryEntry>> putBack) {
        this.bar = bar;
        this.putBack = putBack;
        button.setOnClickListener(view -> {
            List<HistoryEntry> back = new ArrayList<>(deleted);
            hide();
            this.putBack.accept(back);
        });
    }

    void offer(HistoryEntry entry) {
        deleted.add(entry);
        bar.setVisibility(View.VISIBLE);
        bar.removeCallbacks(hide);
        bar.postDelayed(hide, SHOWN);
    }

    void hide() {
        bar.removeCallbacks(hide);
        bar.setVisibility(View.GONE);
        deleted.clear();
    }
}
