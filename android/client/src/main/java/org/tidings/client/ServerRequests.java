package org.tidings.client;

import android.os.Handler;
import android.os.Looper;
import android.os.SystemClock;
import java.util.List;
import org.tidings.core.device.Answer;
import org.tidings.core.device.TopicList;

/** What an app asks the server; the answers go to the main thread. */
final class ServerRequests implements Topics {
    private static final ResultCallback NOBODY = new ResultCallback() {
        @Override
        public void onDone() {}

        @Override
        public void onRefused(String condition) {}
    };

    private final Runner runner;
    private final Handler main = new Handler(Looper.getMainLooper());

    ServerRequests(Runner runner) {
        this.runner = runner;
    }

    @Override
    public void list(TopicsCallback callback) {
        runner.with(engine -> engine.listTopics(new TopicList() {
            @Override
            public void topics(List<String> topics) {
                main.post(() -> callback.onTopics(topics));
            }

            @Override
            public void refused(String condition) {
                main.post(() -> callback.onRefused(condition));
            }
        }), () -> main.post(() -> callback.onRefused("offline")));
    }

    @Override
    public void subscribe(String topic, @Nullable ResultCallback callback) {
        wish(topic, true, callback == null ? NOBODY : callback);
    }

    @Override
    public void unsubscribe(String topic, @Nullable ResultCallback callback) {
        wish(topic, false, callback == null ? NOBODY : callback);
    }

    private void wish(String topic, boolean wanted, ResultCallback callback) {
        Answer answer = new Answer() {
            @Override
            public void done() {
                main.post(callback::onDone);
            }

            @Override
            public void refused(String condition) {
                main.post(() -> callback.onRefused(condition));
            }
        };
        runner.with(engine -> {
            if (wanted) {
                engine.subscribe(topic, answer);
            } else {
                engine.unsubscribe(topic, answer);
            }
        }, () -> {
            runner.keepTopic(topic, wanted);
            answer.refused("offline");
        });
    }

    void ping(PingCallback callback) {
        long asked = SystemClock.elapsedRealtime();
        runner.with(engine -> engine.ping(new Answer() {
            @Override
            public void done() {
                long took = SystemClock.elapsedRealtime() - asked;
                main.post(() -> callback.onAnswer(took));
            }

            @Override
            public void refused(String condition) {
                main.post(() -> callback.onRefused(condition));
            }
        }), () -> main.post(() -> callback.onRefused("offline")));
    }
}
