package org.tidings.demo;

import android.app.AlertDialog;
import android.content.Intent;
import android.os.Bundle;
import android.os.Handler;
import android.os.Looper;
import android.view.View;
import android.widget.ImageView;
import org.tidings.client.ConnectionStatus;
import org.tidings.client.PingCallback;
import org.tidings.client.ServerConfig;
import org.tidings.client.StatusListener;
import org.tidings.core.device.Status;
import org.tidings.core.stream.Trouble;

/** How the connection is, in words, and what a person can do about it. */
public final class StatusActivity extends Screen {
    private static final long SECOND = 1_000;

    private final Handler main = new Handler(Looper.getMainLooper());
    private final StatusListener listener = status -> refresh();
    private final Runnable tick = new Runnable() {
        @Override
        public void run() {
            refresh();
            main.postDelayed(this, SECOND);
        }
    };
    private AlertDialog question;

    @Override
    protected void onCreate(Bundle saved) {
        super.onCreate(saved);
        show(R.layout.status, true);
        findViewById(R.id.retry).setOnClickListener(view -> tidings().retry());
        findViewById(R.id.ping).setOnClickListener(view -> ping());
        findViewById(R.id.trust).setOnClickListener(view -> trust());
        findViewById(R.id.change).setOnClickListener(view -> startActivity(new Intent(this, ServerActivity.class)));
        findViewById(R.id.remove).setOnClickListener(view -> remove());
        text(R.id.ping_result).setText("");
    }

    @Override
    protected void onStart() {
        super.onStart();
        tidings().addStatusListener(listener);
        main.post(tick);
        refresh();
    }

    @Override
    protected void onStop() {
        tidings().removeStatusListener(listener);
        main.removeCallbacks(tick);
        if (question != null) {
            question.dismiss();
        }
        super.onStop();
    }

    private void refresh() {
        ConnectionStatus status = tidings().status();
        ServerConfig server = tidings().server();
        boolean online = status.isOnline();
        boolean waiting = status.state() == Status.State.WAITING;
        StateView.colour((ImageView) findViewById(R.id.dot), status);
        change(R.id.state, waiting ? getString(R.string.not_connected) : status.text(this));
        change(R.id.since, server == null ? null : getString(R.string.since, Times.full(this, status.since())));
        String trouble = StateView.trouble(this, status);
        change(R.id.trouble, trouble == null || !online ? trouble : getString(R.string.last_trouble, trouble));
        long next = status.nextAttempt();
        change(R.id.next_attempt, waiting && next > 0
                ? getString(R.string.next_attempt, Times.until(this, next, System.currentTimeMillis())) : null);
        visible(R.id.retry, server != null && waiting);
        visible(R.id.ping, online);
        if (!online) {
            text(R.id.ping_result).setText("");
        }

        boolean asks = !online && status.fingerprint() != null && (status.trouble() == Trouble.CERTIFICATE_CHANGED
                || status.trouble() == Trouble.CERTIFICATE_UNTRUSTED);
        visible(R.id.certificate, asks);
        if (asks) {
            change(R.id.fingerprint, key(status.fingerprint()));
        }

        change(R.id.server, server == null ? getString(R.string.no_server) : server.address().toString());
        String account = tidings().username();
        change(R.id.account, account == null ? getString(R.string.no_account) : account);
        String identity = tidings().serverIdentity();
        visible(R.id.identity_label, identity != null);
        change(R.id.identity, identity == null ? null : key(identity));
        text(R.id.change).setText(server == null ? R.string.add_server : R.string.change_server);
        visible(R.id.remove, server != null);
    }

    /** A screen reader reads a text out whenever it is set: only what has changed is. */
    private void change(int id, String text) {
        if (!text(id).getText().toString().equals(text == null ? "" : text) || text == null) {
            setOrHide(text(id), text);
        }
    }

    private void visible(int id, boolean visible) {
        findViewById(id).setVisibility(visible ? View.VISIBLE : View.GONE);
    }

    /** In groups of four digits, to be compared by eye. */
    private String key(String fingerprint) {
        int colon = fingerprint.indexOf(':');
        return colon < 0 ? getString(R.string.vouched)
                : fingerprint.substring(0, colon + 1) + "\n" + fingerprint.substring(colon + 1).replaceAll("(.{4})(?=.)", "$1 ");
    }

    private void ping() {
        text(R.id.ping_result).setText(R.string.ping_waiting);
        tidings().ping(new PingCallback() {
            @Override
            public void onAnswer(long milliseconds) {
                text(R.id.ping_result).setText(getString(R.string.ping_answer, milliseconds));
            }

            @Override
            public void onRefused(String condition) {
                text(R.id.ping_result).setText(getString(R.string.ping_failed, condition));
            }
        });
    }

    private void trust() {
        String fingerprint = tidings().status().fingerprint();
        if (fingerprint != null) {
            tidings().trust(fingerprint);
        }
    }

    private void remove() {
        ServerConfig server = tidings().server();
        if (server != null) {
            question = new AlertDialog.Builder(this)
                    .setMessage(getString(R.string.remove_server_ask, server.address()))
                    .setPositiveButton(R.string.remove, (dialog, which) -> {
                        tidings().removeServer();
                        finish();
                    })
                    .setNegativeButton(R.string.cancel, null)
                    .show();
        }
    }
}
