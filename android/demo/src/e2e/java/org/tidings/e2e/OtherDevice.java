package org.tidings.e2e;

import java.io.BufferedReader;
import java.io.File;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import org.tidings.core.testing.TidingsServer;

/** Another device of the same account: {@code tidings listen} in a process of its own. */
final class OtherDevice implements AutoCloseable {
    private final Process process;
    private final List<String> received = new CopyOnWriteArrayList<>();

    OtherDevice(TidingsServer server, String username, String password) throws IOException {
        File account = Files.createTempDirectory("tidings-listen").resolve("account").toFile();
        Files.write(account.toPath(), ("{\"username\":\"" + username + "\",\"password\":\"" + password + "\"}").getBytes(StandardCharsets.UTF_8));
        ProcessBuilder builder = new ProcessBuilder(TidingsServer.BINARY, "listen", "--server", "127.0.0.1:" + server.xmpp, "--domain", "localhost",
                "--account", account.getPath(), "--json", "--insecure");
        builder.redirectError(new File(account.getPath() + ".log"));
        process = builder.start();
        BufferedReader out = new BufferedReader(new InputStreamReader(process.getInputStream(), StandardCharsets.UTF_8));
        Thread reader = new Thread(() -> {
            try {
                for (String line = out.readLine(); line != null; line = out.readLine()) {
                    received.add(TidingsServer.field(line, "title"));
                }
            } catch (IOException e) {
                // It has ended.
            }
        });
        reader.setDaemon(true);
        reader.start();
    }

    List<String> received() {
        return received;
    }

    @Override
    public void close() {
        process.destroyForcibly();
    }
}
