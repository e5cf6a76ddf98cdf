package org.tidings.demo;

import android.app.Activity;
import android.app.AlertDialog;
import android.content.Intent;
import android.net.Uri;
import android.os.Bundle;
import android.view.View;
import java.io.IOException;
import org.tidings.client.ConfigurationException;
import org.tidings.client.ServerConfig;

/** Adds the server: by invitation (a link, or what a code says), by its address, or by a file; and asks before it connects. */
public final class ServerActivity extends Screen {
    private static final int CHOOSE_FILE = 1;

    private AlertDialog question;

    @Override
    protected void onCreate(Bundle saved) {
        super.onCreate(saved);
        show(R.layout.server, true);
        findViewById(R.id.file).setOnClickListener(view -> chooseFile());
        findViewById(R.id.next).setOnClickListener(view -> next());
        if (saved == null) {
            link(getIntent());
        }
    }

    @Override
    protected void onNewIntent(Intent intent) {
        super.onNewIntent(intent);
        link(intent);
    }

    @Override
    protected void onDestroy() {
        if (question != null) {
            question.dismiss();
        }
        super.onDestroy();
    }

    /** Another app's link: it fills the form, and nothing is done before the person has agreed. */
    private void link(Intent intent) {
        String link = Intent.ACTION_VIEW.equals(intent.getAction()) ? intent.getDataString() : null;
        if (link != null) {
            text(R.id.link).setText(link);
            next();
        }
    }

    private String typed(int id) {
        return text(id).getText().toString().trim();
    }

    private void next() {
        try {
            ServerConfig server = read();
            if (server == null) {
                problem(getString(R.string.nothing_typed));
                return;
            }
            problem(null);
            ask(server);
        } catch (ConfigurationException e) {
            problem(getString(R.string.wrong_input, e.getMessage()));
        }
    }

    /** Null where nothing was typed. */
    private ServerConfig read() {
        String link = typed(R.id.link);
        if (!link.isEmpty()) {
            return ServerConfig.ofInvitation(link);
        }
        String host = typed(R.id.host);
        return host.isEmpty() ? null : ServerForm.byAddress(host, typed(R.id.domain), typed(R.id.port), typed(R.id.token));
    }

    private void ask(ServerConfig server) {
        if (question != null) {
            question.dismiss();
        }
        question = new AlertDialog.Builder(this)
                .setTitle(R.string.confirm_server)
                .setMessage(ServerForm.describe(this, server, tidings().server()))
                .setPositiveButton(R.string.connect, (dialog, which) -> connect(server))
                .setNegativeButton(R.string.cancel, null)
                .show();
    }

    private void connect(ServerConfig server) {
        tidings().setServer(server);
        startActivity(new Intent(this, HistoryActivity.class).addFlags(Intent.FLAG_ACTIVITY_CLEAR_TOP));
        finish();
    }

    private void problem(String text) {
        setOrHide(text(R.id.problem), text);
        if (text != null) {
            findViewById(R.id.problem).requestFocus(View.FOCUS_DOWN);
        }
    }

    private void chooseFile() {
        startActivityForResult(new Intent(Intent.ACTION_OPEN_DOCUMENT).addCategory(Intent.CATEGORY_OPENABLE).setType("*/*"), CHOOSE_FILE);
    }

    @Override
    protected void onActivityResult(int request, int result, Intent data) {
        super.onActivityResult(request, result, data);
        Uri file = request == CHOOSE_FILE && result == Activity.RESULT_OK && data != null ? data.getData() : null;
        if (file == null) {
            return;
        }
        Background.load(() -> {
            try {
                return ServerForm.read(getContentResolver(), file);
            } catch (IOException | SecurityException e) {
                return null;
            }
        }, this::fromFile);
    }

    private void fromFile(String text) {
        if (isDestroyed()) {
            return;
        }
        if (text == null) {
            problem(getString(R.string.file_unreadable));
            return;
        }
        try {
            ServerConfig server = ServerForm.ofFile(text);
            problem(null);
            ask(server);
        } catch (ConfigurationException e) {
            problem(getString(R.string.wrong_input, e.getMessage()));
        }
    }
}
