package org.tidings.core.device;

import java.io.IOException;
import java.util.List;
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
    private final Store store;
    private final Sink sink;
    private final Clock clock;
    private final Alarm alarm;
    private final RandomSource random;
    private final Transport transport;
    private final Logins logins;
    private final Deliveries deliveries;
    private final Requests requests;
    private final LinkMemory links;
    private final Attempts attempts;

    private boolean running;
    private String network;
    private boolean active = true;
    private Status status;
    private Channel channel;
    private Connection connection;
    private boolean overflow;
    private boolean speakLater;
    public Engine(Settings settings, Store store, Sink sink, Clock clock, Alarm alarm, RandomSource random, Transport transport) {
        this.settings = settings;
        this.store = store;
        this.sink = sink;
        this.clock = clock;
        this.alarm = alarm;
        this.random = random;
        this.transport = transport;
        logins = new Logins(settings, store, random);
        deliveries = new Deliveries(store, sink);
        requests = new Requests(store, this::storeFailed);
        links = new LinkMemory(store, this::storeFailed);
        attempts = new Attempts(settings, random, clock.millis());
        status = new Status(Status.State.STOPPED, clock.millis(), 0, null, null, null);
    }

    // ---- what the world says ----

    /**
     * Starts, and takes up what the last run left.
     *
     * @param network a name for the network that the device is on, or null where there is none
     * @throws IOException when the store cannot be read; nothing has started then
     */
    public void start(String network) throws IOException {
        logins.accounts().start();
        requests.start();
        links.start();
        deliveries.start();
        running = true;
        this.network = network;
        if (network == null) {
            tell(Status.State.OFFLINE, NEVER, Trouble.NO_NETWORK, "there is no network", null);
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
            tell(Status.State.OFFLINE, NEVER, Trouble.NO_NETWORK, "there is no network", null);
        } else {
            attempts.networkChanged(clock.millis());
            if (!attempts.isDue(clock.millis())) {
                tell(Status.State.WAITING, attempts.at(), Trouble.NO_NETWORK, "the network changes too often", null);
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
        if (overflow) {
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

    // ---- what the app says ----

    /** Ends the session in good order, and everything else. */
    public void stop() {
        if (!running) {
            return;
        }
        if (isOnline()) {
            try {
                connection.close();
                flush();
            } catch (StreamException e) {
                // It ends either way.
            }
        }
        running = false;
        attempts.never();
        disconnect();
        logins.abandon();
        alarm.cancel();
        tell(Status.State.STOPPED, NEVER, null, null, null);
    }

    /** Tries at once, where it would have waited. */
    public void retry() {
        if (running && attempts.isWaiting()) {
            attempts.hurry(clock.millis());
            attemptIfDue();
            setAlarm();
        }
    }

    /** A person accepts the key that a status named; {@link Channel#PIN} stands before it. */
    public void trust(String fingerprint) {
        try {
            logins.accounts().know(fingerprint);
        } catch (IOException e) {
            storeFailed(e);
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
        if (isOnline()) {
            attempt(() -> requests.list(connection, list, clock.millis()));
            setAlarm();
        } else {
            list.refused("offline");
        }
    }

    /** Asks the server for a sign of life. */
    public void ping(Answer answer) {
        if (isOnline()) {
            attempt(() -> requests.ping(connection, answer, clock.millis()));
            setAlarm();
        } else {
            answer.refused("offline");
        }
    }

    private boolean isOnline() {
        return connection != null && connection.isOnline();
    }

    public Status status() {
        return status;
    }

    public Account account() {
        return logins.accounts().account();
    }

    // ---- connecting ----

    private void attemptIfDue() {
        if (!running || !attempts.isDue(clock.millis()) || network == null) {
            return;
        }
        attempts.begin(clock.millis());
        try {
            logins.accounts().prepare();
        } catch (IOException e) {
            over(Trouble.STORE, "the account cannot be stored: " + e.getMessage(), null);
            return;
        }
        tell(Status.State.CONNECTING, NEVER, status.trouble(), status.message(), null);
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
        tell(Status.State.WAITING, attempts.at(), trouble, message, fingerprint);
    }

    private void disconnect() {
        if (attempts.isConnecting() || connection != null) {
            transport.close();
        }
        attempts.disconnected(clock.millis());
        connection = null;
        channel = null;
        overflow = false;
        speakLater = false;
        deliveries.disconnected();
    }

    // ---- what the connection says ----

    private final Connection.Events events = new Connection.Events() {
        @Override
        public void registered() {
            try {
                logins.accounts().registered();
            } catch (IOException e) {
                storeFailed(e);
            }
        }

        @Override
        public void established(Established established) {
            String known = account().identity();
            try {
                logins.accounts().loggedIn(channel.identity);
            } catch (IOException e) {
                storeFailed(e);
            }
            if (known == null && channel.identity.startsWith(Channel.PIN)) {
                sink.firstMet(channel.identity);
            }
            links.established(connection, network, established.resumed);
            SessionState lost = logins.established(established, connection);
            if (!established.resumed) {
                requests.sessionBegins(lost);
            }
        }

        @Override
        public void online() {
            attempts.online(clock.millis());
            tell(Status.State.ONLINE, NEVER, null, null, null);
            speakLater = true;
        }

        @Override
        public void received(Delivery delivery) {
            overflow |= !deliveries.add(delivery);
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
            IOException failure = deliveries.failure();
            if (failure != null) {
                storeFailed(failure);
            } else if (status.trouble() == Trouble.STORE && connection.isOnline()) {
                tell(Status.State.ONLINE, NEVER, null, null, null);
            }
        }
    }

    private void storeFailed(IOException e) {
        if (status.trouble() != Trouble.STORE) {
            tell(status.state(), status.nextAttempt(), Trouble.STORE, "the device cannot store: " + e.getMessage(), null);
        }
    }

    // ---- what we say ----

    private void speak() {
        if (isOnline()) {
            attempt(() -> requests.say(connection, clock.millis()));
            setAlarm();
        }
    }

    /** Something that the connection may end with. */
    private interface Attempt {
        void run() throws StreamException;
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
        long at = attempts.deadline();
        if (connection != null) {
            at = Math.min(at, Math.min(connection.deadline(), deliveries.retryAt()));
        }
        if (at == NEVER) {
            alarm.cancel();
        } else {
            alarm.set(at);
        }
    }

    private void tell(Status.State state, long next, Trouble trouble, String message, String fingerprint) {
        status = new Status(state, clock.millis(), next, trouble, message, fingerprint);
        sink.status(status);
    }
}
