package org.tidings.core.testing;

import java.io.BufferedReader;
import java.io.File;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.net.HttpURLConnection;
import java.net.URL;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/** The real server in a process of its own, and its HTTP API. */
public final class TidingsServer implements AutoCloseable {
    private static final String KEY = "test-key-0123456789abcdef";
    public static final String BINARY = System.getProperty("tidings.binary", "");

    public final File data;
    public int xmpp;
    public int xmpps;
    private int http;
    private Process process;
    private final List<String> options;

    public TidingsServer(File data, String... options) throws IOException {
        this.data = data;
        this.options = Arrays.asList(options);
        start();
    }

    private static String address(int port) {
        return "127.0.0.1:" + port;
    }

    /** Starts it, or starts it again on the same ports. */
    public void start() throws IOException {
        List<String> command = new ArrayList<>(Arrays.asList(BINARY, "serve", "--data-dir", data.getPath(), "--domain", "localhost",
                "--xmpp", address(xmpp), "--xmpps", address(xmpps), "--http", address(http),
                "--set", "limits.registrations_per_minute=0", "--set", "limits.login_failures_per_minute=0"));
        command.addAll(options);
        ProcessBuilder builder = new ProcessBuilder(command);
        builder.environment().keySet().removeIf(name -> name.startsWith("TIDINGS_"));
        builder.environment().put("TIDINGS_API_KEY", KEY);
        builder.redirectError(ProcessBuilder.Redirect.appendTo(new File(data.getPath() + ".log")));
        process = builder.start();
        Runtime.getRuntime().addShutdownHook(new Thread(process::destroyForcibly));
        BufferedReader out = new BufferedReader(new InputStreamReader(process.getInputStream(), StandardCharsets.UTF_8));
        String ready = out.readLine();
        if (ready == null || !ready.startsWith("ready ")) {
            throw new IOException("the server did not start: " + ready + "; see " + data.getPath() + ".log");
        }
        xmpp = port(ready, "xmpp");
        xmpps = port(ready, "xmpps");
        http = port(ready, "http");
    }

    private static int port(String ready, String name) {
        Matcher matcher = Pattern.compile(" " + name + "=127\\.0\\.0\\.1:(\\d+)").matcher(ready);
        if (!matcher.find()) {
            throw new AssertionError(ready);
        }
        return Integer.parseInt(matcher.group(1));
    }

    public void stop() throws IOException {
        process.destroy();
        try {
            if (!process.waitFor(20, TimeUnit.SECONDS)) {
                process.destroyForcibly();
            }
        } catch (InterruptedException e) {
            throw new IOException(e);
        }
    }

    /** Another certificate from the next start on. */
    public void forgetCertificate() {
        File[] files = new File(data, "tls").listFiles();
        for (File file : files == null ? data.listFiles() : files) {
            if (file.getName().endsWith(".pem")) {
                file.delete();
            }
        }
    }

    public String call(String method, String path, String body, int expected) throws IOException {
        HttpURLConnection connection = (HttpURLConnection) new URL("http://" + address(http) + path).openConnection();
        connection.setRequestMethod(method);
        connection.setRequestProperty("Authorization", "Bearer " + KEY);
        if (body != null) {
            connection.setDoOutput(true);
            connection.setRequestProperty("Content-Type", "application/json");
            try (OutputStream out = connection.getOutputStream()) {
                out.write(body.getBytes(StandardCharsets.UTF_8));
            }
        }
        int code = connection.getResponseCode();
        try (InputStream in = code < 400 ? connection.getInputStream() : connection.getErrorStream()) {
            String answer = in == null ? "" : new String(in.readAllBytes(), StandardCharsets.UTF_8);
            if (code != expected) {
                throw new IOException(method + " " + path + ": " + code + " " + answer);
            }
            return answer;
        }
    }

    /** Sends, and returns the notification's id. */
    public String send(String to, String title) throws IOException {
        String answer = call("POST", "/v1/notifications", "{\"to\":" + to + ",\"title\":\"" + title + "\"}", 202);
        return field(answer, "id");
    }

    public String sendTo(String user, String title) throws IOException {
        return send("{\"user\":\"" + user + "\"}", title);
    }

    public static String field(String json, String name) {
        Matcher matcher = Pattern.compile("\"" + name + "\":\"?([^\",}]*)").matcher(json);
        return matcher.find() ? matcher.group(1) : null;
    }

    public String count(String id, String of) throws IOException {
        return field(call("GET", "/v1/notifications/" + id, null, 200), of);
    }

    /** Stops it for good, and removes its data. Its log stays, for whoever looks for a fault. */
    @Override
    public void close() throws IOException {
        stop();
        try (Stream<Path> files = Files.walk(data.toPath())) {
            files.sorted(Comparator.reverseOrder()).forEach(path -> path.toFile().delete());
        }
    }
}
