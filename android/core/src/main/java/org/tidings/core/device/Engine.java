package org.tidings.core.device;

import java.io.IOException;
import java.util.List;
import java.util.function.Consumer;
import org.tidings.core.session.Connection;
import org.tidings.core.session.Delivery;
import org.tidings.core.session.SessionState;
import org.tidings.core.stream.Established;
import org.tidings.core.stream.StreamException;
import org.tidings.core.stream.Trouble;

/**
 * A device across all of its connections: when to connect, with which account, what was received.
 *
 * <p>It has no socket, no thread and no clock of its own: what it needs comes in by its methods and
 * goes out by small interfaces. All of its methods are for one thread.
 */
public final class Engine {
    private static final long NEVER = Attempts.NEVER;

    private final Settings settings;
    private final Sink sink;
    private final Clock clock;
    private final Alarm alarm;
    private final Transport transport;
    private final Reporter reporter;
    private final Logins logins;
    private final Deliveries deliveries;
    private final Requests requests;
    private final LinkMemory links;
    private final Attempts attempts;

    private boolean running;
    private String network;
    private boolean active = true;
    private Channel channel;
    private Connection connection;
    private boolean speakLater;

    public Engine(Settings settings, Store store, Sink sink, Clock clock, Alarm alarm, RandomSource random, Transport transport) {
        this.settings = settings;
        this.sink = sink;
        this.clock = clock;
        this.alarm = alarm;
        this.transport = transport;
        reporter = new Reporter(sink, clock);
        logins = new Logins(settings, store, random, reporter::storeFailed);
        deliveries = new Deliveries(store, sink);
        requests = new Requests(store, reporter::storeFailed);
        links = new LinkMemory(store, reporter::storeFailed);
        attempts = new Attempts(settings, random, clock.millis());
    }

    /**
     * Starts, and takes up what the last run left.
     *
     * @param network a name for the network that the device is on, or null where there is none
     * @throws IOException when the store cannot be read; nothing has started then
     */
    public void start(String network) throws IOException {
        logins.start();
        requests.start();
        links.start();
        deliveries.start();
        running = true;
        this.network = network;
        if (network == null) {
            reporter.offline();
        } else {
            attempts.hurry(clock.millis());
            attemptIfDue();
        }
        setAlarm();
    }

    /** The device is on another network, or on none. */
    public void network(String now) {
        if (!running || (now == null ? network == null : now.equals(network))) {
            return;
        }
        network = now;
        links.acquit();
        disconnect();
        if (now == null) {
            attempts.never();
            reporter.offline();
        } else {
            attempts.networkChanged(clock.millis());
            if (!attempts.isDue(clock.millis())) {
                reporter.waiting(attempts.at(), Trouble.NO_NETWORK, "the network changes too often", null);
            }
            attemptIfDue();
        }
        setAlarm();
    }

    /** The transport has a connection under TLS. */
    public void connected(Channel channel) {
        if (!attempts.isConnecting()) {
            return;
        }
        attempts.connected();
        this.channel = channel;
        connection = new Connection(logins.next(), channel.binding, logins.session(), active, links.silence(network),
                settings.pace, events, clock.millis());
        flush();
        setAlarm();
    }

    /** The server sent bytes. */
    public void received(byte[] bytes, int from, int to) {
        if (connection == null) {
            return;
        }
        long now = clock.millis();
        StreamException ended = null;
        try {
            connection.receive(bytes, from, to, now);
        } catch (StreamException e) {
            ended = e;
        }
        // What came before the end of the connection is the device's all the same.
        store(now);
        if (deliveries.isOverflowing()) {
            ended = new StreamException(Trouble.STORE, "notifications cannot be stored");
        }
        if (connection != null && ended != null) {
            over(ended.trouble(), ended.getMessage(), null);
        } else if (connection != null) {
            links.heard(connection, network);
            flush();
        }
        if (speakLater) {
            speakLater = false;
            speak();
        }
        setAlarm();
    }

    /**
     * The attempt failed, or the connection ended.
     *
     * @param fingerprint the key of the certificate that was refused, or null
     */
    public void failed(Trouble trouble, String message, String fingerprint) {
        if (attempts.isConnecting() || connection != null) {
            over(trouble, message, fingerprint);
            setAlarm();
        }
    }

    /** The alarm went off. One that comes too early does no harm. */
    public void alarm() {
        long now = clock.millis();
        if (attempts.isLate(now)) {
            over(Trouble.TIMEOUT, "the server cannot be reached in time", null);
        }
        if (connection != null) {
            if (deliveries.retryAt() <= now) {
                store(now);
            }
            try {
                connection.due(now);
                flush();
            } catch (StreamException e) {
                over(e.trouble(), e.getMessage(), null);
            }
        }
        attemptIfDue();
        setAlarm();
    }

    /** Ends the session in good order, and everything else. */
    public void stop() {
        if (!running) {
            return;
        }
        if (isOnline()) {
            attempt(connection::close);
        }
        running = false;
        attempts.never();
        disconnect();
        logins.abandon();
        alarm.cancel();
        reporter.stopped();
    }

    /** Tries at once, where it would have waited. */
    public void retry() {
        if (running && attempts.isWaiting()) {
            attempts.hurry(clock.millis());
            attemptIfDue();
            setAlarm();
        }
    }

    /** A person accepts the certificate of which a status named the {@link Status#fingerprint}. */
    public void trust(String fingerprint) {
        logins.know(fingerprint);
        if (attempts.isConnecting()) {
            // That attempt began with what was known before.
            disconnect();
            attempts.hurry(clock.millis());
        }
        retry();
    }

    /** Whether a person uses the device: low-priority notifications may wait otherwise. */
    public void setActive(boolean active) {
        this.active = active;
        if (connection != null) {
            connection.setActive(active);
            flush();
        }
    }

    /** A person opened a notification; the server hears of it when there is a connection. */
    public void opened(String id) {
        requests.opened(id);
        speak();
    }

    /** Wants a topic, from now on and with every account that this device may have. */
    public void subscribe(String topic, Answer answer) {
        requests.wish(topic, true, answer);
        speak();
    }

    public void unsubscribe(String topic, Answer answer) {
        requests.wish(topic, false, answer);
        speak();
    }

    /** Asks which topics the server has for the account. */
    public void listTopics(TopicList list) {
        ask(() -> requests.list(connection, list, clock.millis()), list::refused);
    }

    /** Asks the server for a sign of life. */
    public void ping(Answer answer) {
        ask(() -> requests.ping(connection, answer, clock.millis()), answer::refused);
    }

    private void ask(Attempt request, Consumer<String> refused) {
        if (isOnline()) {
            attempt(request);
            setAlarm();
        } else {
            refused.accept("offline");
        }
    }

    private boolean isOnline() {
        return connection != null && connection.isOnline();
    }

    /** Whether it waits for the server, for as long as {@link Settings#pace} says at the most. */
    public boolean isBusy() {
        return attempts.isConnecting() || connection != null && connection.isAnswerDue();
    }

    public Status status() {
        return reporter.status();
    }

    public Account account() {
        return logins.account();
    }

    private void attemptIfDue() {
        if (!running || !attempts.isDue(clock.millis()) || network == null) {
            return;
        }
        attempts.begin(clock.millis());
        try {
            logins.prepare();
        } catch (IOException e) {
            over(Trouble.STORE, "the account cannot be stored: " + e.getMessage(), null);
            return;
        }
        reporter.connecting();
        transport.connect(account().identity());
    }

    /** The connection or the attempt is over; the next one has a time. */
    private void over(Trouble trouble, String message, String fingerprint) {
        if (connection != null) {
            links.ended(connection, network);
        }
        boolean wasOnline = attempts.wasOnline();
        disconnect();
        boolean slow = false;
        try {
            slow = !logins.failed(trouble, wasOnline);
        } catch (IOException e) {
            trouble = Trouble.STORE;
        }
        attempts.failed(clock.millis(), slow);
        reporter.waiting(attempts.at(), trouble, message, fingerprint);
    }

    private void disconnect() {
        if (attempts.isConnecting() || connection != null) {
            transport.close();
        }
        attempts.disconnected(clock.millis());
        connection = null;
        channel = null;
        speakLater = false;
        deliveries.disconnected();
    }

    private final Connection.Events events = new Connection.Events() {
        @Override
        public void named(String username) {
            logins.named(username);
        }

        @Override
        public void registered() {
            logins.registered();
        }

        @Override
        public void established(Established established) {
            boolean firstMeeting = account().identity() == null;
            links.established(connection, network, established.resumed);
            SessionState lost = logins.established(established, connection, channel.identity);
            if (firstMeeting && channel.identity.startsWith(Channel.PIN)) {
                sink.firstMet(channel.identity);
            }
            if (!established.resumed) {
                requests.sessionBegins(lost);
            }
        }

        @Override
        public void online() {
            attempts.online(clock.millis());
            reporter.online();
            speakLater = true;
        }

        @Override
        public void received(Delivery delivery) {
            deliveries.add(delivery);
        }
    };

    /** Stores and shows what came, and acknowledges it then. */
    private void store(long now) {
        List<Delivery> done = deliveries.flush(now);
        Connection of = connection;
        if (!done.isEmpty()) {
            attempt(() -> of.done(done));
        }
        if (connection != null) {
            connection.acknowledge();
            reporter.stored(deliveries.failure());
        }
    }

    private void speak() {
        if (isOnline()) {
            attempt(() -> requests.say(connection, clock.millis()));
            setAlarm();
        }
    }

    private void attempt(Attempt attempt) {
        try {
            attempt.run();
            flush();
        } catch (StreamException e) {
            over(e.trouble(), e.getMessage(), null);
        }
    }

    private void flush() {
        byte[] bytes = connection == null ? new byte[0] : connection.takeOutput();
        if (bytes.length > 0) {
            transport.send(bytes);
        }
    }

    private void setAlarm() {
        if (!running) {
            return;
        }
        long link = connection == null ? NEVER : connection.deadline();
        long at = Math.min(attempts.deadline(), Math.min(link, deliveries.retryAt()));
        if (at == NEVER) {
            alarm.cancel();
            return;
        }
        alarm.set(at);
    }
}
