package org.tidings.client;

import android.content.Context;
import java.io.File;
import java.io.FileOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.StandardCopyOption;
import java.security.GeneralSecurityException;

/**
 * Keeps the account and the server's token in files that only this app reads, encrypted by a key of the phone's keystore.
 * Where the keystore does not work they are kept as they are, and the log says so.
 */
final class Secrets {
    private static final byte PLAIN = 'p';
    private static final byte ENCRYPTED = 'k';
    /** The kind, the cipher's initial vector and its tag. */
    private static final int SHORTEST = 1 + 12 + 16;

    private final File folder;
    private final SecretCipher cipher;
    private final EventLog log;

    Secrets(Context context, SecretCipher cipher, EventLog log) {
        this.folder = new File(context.getNoBackupFilesDir(), "tidings");
        this.cipher = cipher;
        this.log = log;
    }

    /** Null where there is nothing, or what there is can no longer be read by anybody: the key is gone. */
    @Nullable
    synchronized String read(String name) throws IOException {
        byte[] all;
        try {
            all = Files.readAllBytes(file(name).toPath());
        } catch (NoSuchFileException e) {
            return null;
        }
        if (all.length > 0 && all[0] == PLAIN) {
            return new String(all, 1, all.length - 1, StandardCharsets.UTF_8);
        }
        if (all.length < SHORTEST || all[0] != ENCRYPTED) {
            return null;
        }
        try {
            byte[] plain = cipher.decrypt(all, 1);
            if (plain == null) {
                log.add("the key of " + name + " is gone: it is forgotten");
                return null;
            }
            return new String(plain, StandardCharsets.UTF_8);
        } catch (GeneralSecurityException | RuntimeException e) {
            throw new IOException("the keystore does not answer: " + e.getClass().getSimpleName(), e);
        }
    }

    synchronized void write(String name, String content) throws IOException {
        byte[] plain = content.getBytes(StandardCharsets.UTF_8);
        byte kind = ENCRYPTED;
        byte[] body;
        try {
            body = cipher.encrypt(plain);
        } catch (GeneralSecurityException | RuntimeException e) {
            log.add("the keystore does not work (" + e.getClass().getSimpleName() + "): " + name + " is kept without encryption");
            kind = PLAIN;
            body = plain;
        }
        Files.createDirectories(folder.toPath());
        File beside = new File(folder, name + ".new");
        try (FileOutputStream out = new FileOutputStream(beside)) {
            out.write(kind);
            out.write(body);
            out.getFD().sync();
        }
        Files.move(beside.toPath(), file(name).toPath(), StandardCopyOption.REPLACE_EXISTING, StandardCopyOption.ATOMIC_MOVE);
    }

    synchronized void remove(String name) throws IOException {
        Files.deleteIfExists(file(name).toPath());
    }

    /** Whether what is kept of that name is encrypted. */
    synchronized boolean isEncrypted(String name) {
        try {
            byte[] all = Files.readAllBytes(file(name).toPath());
            return all.length > 0 && all[0] == ENCRYPTED;
        } catch (IOException e) {
            return false;
        }
    }

    private File file(String name) {
        return new File(folder, name);
    }

    /** Lines that may have any text in them. */
    static String join(String... lines) {
        StringBuilder text = new StringBuilder();
        for (String line : lines) {
            text.append(line.replace("\\", "\\\\").replace("\n", "\\n")).append('\n');
        }
        return text.toString();
    }

    static String[] lines(@Nullable String text) {
        if (text == null || text.isEmpty()) {
            return new String[0];
        }
        String[] lines = text.split("\n", -1);
        String[] found = new String[lines.length - 1];
        for (int i = 0; i < found.length; i++) {
            found[i] = unescape(lines[i]);
        }
        return found;
    }

    private static String unescape(String line) {
        StringBuilder out = new StringBuilder(line.length());
        for (int i = 0; i < line.length(); i++) {
            char c = line.charAt(i);
            if (c == '\\' && i + 1 < line.length()) {
                c = line.charAt(++i) == 'n' ? '\n' : line.charAt(i);
            }
            out.append(c);
        }
        return out.toString();
    }
}
