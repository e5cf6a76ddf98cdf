package org.tidings.core.net;

import java.io.IOException;
import java.net.DatagramPacket;
import java.net.DatagramSocket;
import java.net.InetSocketAddress;
import java.net.SocketTimeoutException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Paths;
import java.security.SecureRandom;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.TimeUnit;

/** Asks the network's own name servers by UDP: the platform's resolver knows no SRV records. */
public final class DnsClient implements SrvResolver {
    /** Which name servers there are; on Android the network's link properties say. */
    public interface Servers {
        List<InetSocketAddress> get();
    }

    /** How long each server has, twice. */
    private static final int PATIENCE_MS = 1000;
    private static final int MOST_SERVERS = 2;

    private final Servers servers;
    private final SecureRandom random = new SecureRandom();

    public DnsClient(Servers servers) {
        this.servers = servers;
    }

    /** With the servers of {@code /etc/resolv.conf}. */
    public static DnsClient ofSystem() {
        return new DnsClient(() -> {
            List<InetSocketAddress> found = new ArrayList<>();
            try {
                for (String line : Files.readAllLines(Paths.get("/etc/resolv.conf"), StandardCharsets.UTF_8)) {
                    String[] words = line.trim().split("\\s+");
                    if (words.length > 1 && words[0].equals("nameserver")) {
                        found.add(new InetSocketAddress(words[1], 53));
                    }
                }
            } catch (IOException e) {
                // Then there is none, and the usual ports are tried.
            }
            return found;
        });
    }

    @Override
    public List<SrvRecord> resolve(String name) throws IOException {
        List<InetSocketAddress> all = servers.get();
        IOException last = new IOException("there is no name server");
        for (int round = 0; round < 2; round++) {
            for (InetSocketAddress server : all.subList(0, Math.min(all.size(), MOST_SERVERS))) {
                try {
                    return ask(server, name);
                } catch (IOException e) {
                    last = e;
                }
            }
        }
        throw last;
    }

    private List<SrvRecord> ask(InetSocketAddress server, String name) throws IOException {
        byte[] question = DnsMessage.question(random.nextInt(0x10000), name);
        // Connected, so that only that server's answers arrive; its port is a random one.
        try (DatagramSocket socket = new DatagramSocket()) {
            socket.connect(server);
            socket.send(new DatagramPacket(question, question.length));
            long end = System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(PATIENCE_MS);
            DatagramPacket packet = new DatagramPacket(new byte[4096], 4096);
            while (true) {
                long left = TimeUnit.NANOSECONDS.toMillis(end - System.nanoTime());
                if (left <= 0) {
                    throw new SocketTimeoutException("the name server does not answer");
                }
                socket.setSoTimeout((int) left);
                packet.setLength(4096);
                socket.receive(packet);
                byte[] answer = Arrays.copyOf(packet.getData(), packet.getLength());
                if (DnsMessage.answers(question, answer)) {
                    return DnsMessage.records(question, answer);
                }
            }
        }
    }
}
