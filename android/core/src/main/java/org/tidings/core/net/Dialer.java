package org.tidings.core.net;

import java.io.IOException;
import java.io.InputStream;
import java.net.IDN;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.net.SocketTimeoutException;
import java.net.UnknownHostException;
import java.security.SecureRandom;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import javax.net.ssl.SSLSocket;
import org.tidings.core.device.Channel;
import org.tidings.core.device.ServerAddress;
import org.tidings.core.stream.StartTls;
import org.tidings.core.stream.StreamException;
import org.tidings.core.stream.Trouble;

/** Races the ways to a server: each starts a little after the one before, and the first whose TLS stands wins. */
final class Dialer {
    /** How long one way has alone, before the next one starts beside it (RFC 8305 section 5). */
    private static final long HEAD_START_MS = 300;
    /** How long what led there last time has alone, before DNS is asked. */
    private static final long LAST_HEAD_START_MS = 2_000;
    private static final int CONNECT_MS = 10_000;
    /** Between two things that the server says before TLS stands. */
    private static final int SILENCE_MS = 10_000;
    private static final int MOST_ADDRESSES = 4;

    private final ServerAddress server;
    private final SrvResolver resolver;
    private final Trust trust;
    private final Tls tls;
    private final SecureRandom random = new SecureRandom();
    /** What led there last time is tried first. */
    private volatile Candidate last;

    Dialer(ServerAddress server, SrvResolver resolver, Trust trust, KeyingMaterial material) {
        this.server = server;
        this.resolver = resolver;
        this.trust = trust;
        this.tls = new Tls(server.domain(), material);
    }

    /** A connection whose TLS stands. */
    static final class Dialed {
        final Socket tcp;
        final SSLSocket socket;
        final Channel channel;
        private final Candidate candidate;

        Dialed(Socket tcp, SSLSocket socket, Channel channel, Candidate candidate) {
            this.tcp = tcp;
            this.socket = socket;
            this.channel = channel;
            this.candidate = candidate;
        }
    }

    /** One race, which can be called off. */
    final class Race {
        private final String known;
        private final List<Socket> open = new ArrayList<>();
        private final BlockingQueue<Object> results = new LinkedBlockingQueue<>();
        private boolean over;

        Race(String known) {
            this.known = known;
        }

        /** Runs in a thread of its own until there is a winner or nobody is left. */
        Dialed run() throws DialException, InterruptedException {
            try {
                return race();
            } finally {
                cancel();
            }
        }

        private Dialed race() throws DialException, InterruptedException {
            Candidate first = last;
            List<Candidate> ways = null;
            if (first == null) {
                ways = ways(null);
            }
            DialException worst = null;
            int running = 0;
            int started = 0;
            while (ways == null || started < ways.size() || running > 0) {
                Object result;
                if (ways == null) {
                    running += start(first);
                    result = results.poll(LAST_HEAD_START_MS, TimeUnit.MILLISECONDS);
                    ways = result instanceof Dialed ? Collections.emptyList() : ways(first);
                } else if (started < ways.size()) {
                    running += start(ways.get(started++));
                    result = started < ways.size() ? results.poll(HEAD_START_MS, TimeUnit.MILLISECONDS) : results.take();
                } else {
                    result = results.take();
                }
                if (result instanceof Dialed) {
                    Dialed winner = (Dialed) result;
                    last = winner.candidate;
                    keep(winner.tcp);
                    return winner;
                }
                if (result != null) {
                    running--;
                    DialException failure = (DialException) result;
                    worst = worst == null || failure.weight() > worst.weight() ? failure : worst;
                }
            }
            last = null;
            throw worst == null ? new DialException(Trouble.UNREACHABLE, "there is no way to " + server, null) : worst;
        }

        private List<Candidate> ways(Candidate butThis) {
            List<Candidate> ways = new ArrayList<>(Candidate.of(server, resolver, random::nextInt));
            ways.remove(butThis);
            return ways;
        }

        private int start(Candidate way) {
            Threads.start("tidings-dial", () -> results.add(attempt(way)));
            return 1;
        }

        /** Closes whatever has not won. */
        synchronized void cancel() {
            over = true;
            for (Socket socket : open) {
                Threads.close(socket);
            }
            open.clear();
        }

        private synchronized void keep(Socket winner) {
            open.remove(winner);
        }

        private synchronized Socket newSocket() throws IOException {
            if (over) {
                throw new IOException("the race is over");
            }
            Socket socket = new Socket();
            open.add(socket);
            return socket;
        }

        private Object attempt(Candidate way) {
            TrustCheck check = new TrustCheck(trust, known);
            Socket tcp = null;
            try {
                tcp = connect(way);
                tcp.setTcpNoDelay(true);
                tcp.setSoTimeout(SILENCE_MS);
                if (!way.directTls) {
                    startTls(tcp);
                }
                SSLSocket socket = tls.handshake(tcp, way.directTls, check);
                Channel channel = tls.channel(socket, check);
                socket.setSoTimeout(0);
                return new Dialed(tcp, socket, channel, way);
            } catch (StreamException e) {
                return failed(tcp, e.trouble(), e.getMessage(), null);
            } catch (SocketTimeoutException e) {
                return failed(tcp, Trouble.TIMEOUT, way + " does not answer", null);
            } catch (IOException | RuntimeException e) {
                if (check.trouble() != null) {
                    return failed(tcp, check.trouble(), check.trouble() == Trouble.CERTIFICATE_CHANGED
                            ? "the server shows another certificate than the one it is known by"
                            : "nobody whom this device trusts vouches for the server's certificate", check.seen());
                }
                boolean reached = tcp != null && tcp.isConnected();
                return failed(tcp, reached ? Trouble.TLS : Trouble.UNREACHABLE, way + ": " + words(e), null);
            }
        }

        private DialException failed(Socket tcp, Trouble trouble, String message, String seen) {
            if (tcp != null) {
                Threads.close(tcp);
            }
            return new DialException(trouble, message, seen);
        }

        private Socket connect(Candidate way) throws IOException {
            IOException failure = new UnknownHostException(way.host);
            InetAddress[] addresses = InetAddress.getAllByName(ascii(way.host));
            for (int i = 0; i < Math.min(addresses.length, MOST_ADDRESSES); i++) {
                Socket tcp = newSocket();
                try {
                    tcp.connect(new InetSocketAddress(addresses[i], way.port), CONNECT_MS);
                    return tcp;
                } catch (IOException e) {
                    Threads.close(tcp);
                    failure = e;
                }
            }
            throw failure;
        }

        private void startTls(Socket tcp) throws IOException, StreamException {
            StartTls stream = new StartTls(server.domain());
            tcp.getOutputStream().write(stream.first());
            InputStream in = tcp.getInputStream();
            byte[] one = new byte[1];
            do {
                // One byte at a time: what comes behind <proceed/> is TLS and stays where it is.
                if (in.read(one) < 0) {
                    throw new StreamException(Trouble.CLOSED, "the server closed the stream before TLS");
                }
            } while (!stream.receive(one, 0, 1));
        }
    }

    private static String ascii(String host) {
        try {
            return host.indexOf(':') >= 0 ? host : IDN.toASCII(host);
        } catch (IllegalArgumentException e) {
            return host;
        }
    }

    private static String words(Exception e) {
        return e instanceof UnknownHostException ? "there is no host of that name" : String.valueOf(e.getMessage());
    }
}
