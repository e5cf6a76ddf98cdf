package org.tidings.core.store;

import java.io.BufferedReader;
import java.io.File;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.List;
import org.tidings.core.Notification;
import org.tidings.core.device.Account;
import org.tidings.core.device.Store;

/** Keeps everything in a folder: small files that are replaced whole, and a {@link Journal} of notifications. */
public final class FileStore implements Store, AutoCloseable {
    private final File folder;
    private final Journal journal;

    public FileStore(File folder) throws IOException {
        this.folder = folder;
        Files.createDirectories(folder.toPath());
        journal = new Journal(new File(folder, "notifications"));
    }

    @Override
    public Account account() throws IOException {
        List<String> lines = read("account");
        if (lines.size() < 6) {
            return null;
        }
        String identity = lines.get(5);
        return new Account(lines.get(0), lines.get(1), lines.get(2), lines.get(3).equals("registered"),
                lines.get(4).equals("own"), identity.isEmpty() ? null : identity);
    }

    @Override
    public void saveAccount(Account account) throws IOException {
        write("account", Arrays.asList(account.username(), account.password(), account.agent(),
                account.registered() ? "registered" : "new", account.own() ? "own" : "given",
                account.identity() == null ? "" : account.identity()));
    }

    @Override
    public List<String> recentIds() {
        return journal.recentIds();
    }

    @Override
    public void save(List<Notification> notifications) throws IOException {
        journal.save(notifications);
    }

    @Override
    public List<Notification> unshown() {
        return journal.unshown();
    }

    @Override
    public void shown(String id) throws IOException {
        journal.shown(id);
    }

    @Override
    public List<String> topics() throws IOException {
        return read("topics");
    }

    @Override
    public void saveTopics(Collection<String> topics) throws IOException {
        write("topics", topics);
    }

    @Override
    public String keepalive() throws IOException {
        return String.join("\n", read("keepalive"));
    }

    @Override
    public void saveKeepalive(String learned) throws IOException {
        write("keepalive", Arrays.asList(learned.split("\n")));
    }

    @Override
    public void close() throws IOException {
        journal.close();
    }

    private List<String> read(String name) throws IOException {
        List<String> lines = new ArrayList<>();
        try (BufferedReader reader = new BufferedReader(
                new InputStreamReader(Files.newInputStream(new File(folder, name).toPath()), StandardCharsets.UTF_8))) {
            for (String line = reader.readLine(); line != null; line = reader.readLine()) {
                lines.add(unescape(line));
            }
        } catch (NoSuchFileException e) {
            // Nothing was kept yet.
        }
        return lines;
    }

    /** Wholly or not at all. */
    private void write(String name, Collection<String> lines) throws IOException {
        StringBuilder text = new StringBuilder();
        for (String line : lines) {
            text.append(escape(line)).append('\n');
        }
        replace(new File(folder, name), text.toString().getBytes(StandardCharsets.UTF_8));
    }

    static void replace(File file, byte[] content) throws IOException {
        File beside = new File(file.getPath() + ".new");
        try (FileOutputStream out = new FileOutputStream(beside)) {
            // Its owner's alone, before there is anything in it.
            beside.setReadable(false, false);
            beside.setReadable(true, true);
            out.write(content);
            out.getFD().sync();
        }
        Files.move(beside.toPath(), file.toPath(), StandardCopyOption.REPLACE_EXISTING, StandardCopyOption.ATOMIC_MOVE);
    }

    private static String escape(String line) {
        return line.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r");
    }

    private static String unescape(String line) {
        if (line.indexOf('\\') < 0) {
            return line;
        }
        StringBuilder out = new StringBuilder();
        for (int i = 0; i < line.length(); i++) {
            char c = line.charAt(i);
            if (c == '\\' && i + 1 < line.length()) {
                char next = line.charAt(++i);
                out.append(next == 'n' ? '\n' : next == 'r' ? '\r' : next);
            } else {
                out.append(c);
            }
        }
        return out.toString();
    }
}
