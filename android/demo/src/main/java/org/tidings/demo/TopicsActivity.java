package org.tidings.demo;

import android.os.Bundle;
import android.view.View;
import android.view.ViewGroup;
import android.view.inputmethod.EditorInfo;
import android.widget.ArrayAdapter;
import android.widget.Button;
import android.widget.ListView;
import android.widget.TextView;
import java.util.List;
import org.tidings.client.ConnectionStatus;
import org.tidings.client.ResultCallback;
import org.tidings.client.StatusListener;
import org.tidings.client.TopicsCallback;

/** Which topics this device subscribes to. */
public final class TopicsActivity extends Screen {
    private final StatusListener listener = this::statusChanged;
    private ArrayAdapter<String> adapter;
    private boolean online;

    @Override
    protected void onCreate(Bundle saved) {
        super.onCreate(saved);
        show(R.layout.topics, true);
        adapter = new ArrayAdapter<String>(this, R.layout.topic_row) {
            @Override
            public View getView(int position, View old, ViewGroup parent) {
                return row(getItem(position), old != null ? old : getLayoutInflater().inflate(R.layout.topic_row, parent, false));
            }
        };
        ListView list = findViewById(R.id.list);
        list.setAdapter(adapter);
        list.setEmptyView(findViewById(R.id.empty));
        findViewById(R.id.subscribe).setOnClickListener(view -> subscribe());
        text(R.id.topic).setOnEditorActionListener((view, action, event) -> {
            if (action == EditorInfo.IME_ACTION_DONE) {
                subscribe();
                return true;
            }
            return false;
        });
    }

    @Override
    protected void onStart() {
        super.onStart();
        tidings().addStatusListener(listener);
        online = tidings().status().isOnline();
        load();
    }

    @Override
    protected void onStop() {
        tidings().removeStatusListener(listener);
        super.onStop();
    }

    private void statusChanged(ConnectionStatus status) {
        if (status.isOnline() && !online) {
            load();
        }
        online = status.isOnline();
    }

    private View row(String topic, View row) {
        row.<TextView>findViewById(R.id.topic_name).setText(Harmless.line(topic));
        Button remove = row.findViewById(R.id.topic_remove);
        remove.setContentDescription(getString(R.string.unsubscribe_from, topic));
        remove.setOnClickListener(view -> {
            tidings().topics().unsubscribe(topic, new Result());
            sayWhenUnconnected();
        });
        return row;
    }

    private void load() {
        tidings().topics().list(new TopicsCallback() {
            @Override
            public void onTopics(List<String> topics) {
                setOrHide(text(R.id.problem), null);
                show(topics);
            }

            @Override
            public void onRefused(String condition) {
                problem(condition, R.string.topics_unknown);
            }
        });
    }

    void show(List<String> topics) {
        adapter.clear();
        adapter.addAll(topics);
    }

    private void subscribe() {
        String topic = text(R.id.topic).getText().toString().trim();
        if (!topic.isEmpty()) {
            text(R.id.topic).setText("");
            tidings().topics().subscribe(topic, new Result());
            sayWhenUnconnected();
        }
    }

    /** The answer comes when there is a connection, which may be long from now. */
    private void sayWhenUnconnected() {
        if (!tidings().status().isOnline()) {
            setOrHide(text(R.id.problem), getString(R.string.topic_offline));
        }
    }

    private void problem(String condition, int withoutConnection) {
        boolean unconnected = condition.equals("offline") || condition.equals("lost");
        setOrHide(text(R.id.problem), unconnected ? getString(withoutConnection) : getString(R.string.topic_refused, condition));
    }

    /** What a request led to: the list anew, or why not. */
    private final class Result implements ResultCallback {
        @Override
        public void onDone() {
            setOrHide(text(R.id.problem), null);
            load();
        }

        @Override
        public void onRefused(String condition) {
            problem(condition, R.string.topic_offline);
        }
    }
}
