package org.tidings.core.net;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.net.DatagramPacket;
import java.net.DatagramSocket;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.tidings.core.device.ServerAddress;
import org.tidings.core.testing.Seeds;

/** SRV records: asked for, read, put in order, and done without. */
class DnsTest {
    private static final String NAME = "_xmpps-client._tcp.push.example.org";

    /** An answer with these records, whose targets end in the question's name. */
    private static byte[] answer(byte[] question, int code, int[]... records) {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        byte[] head = question.clone();
        head[2] |= (byte) 0x80;
        head[3] = (byte) code;
        head[7] = (byte) (records.length + 1);
        out.write(head, 0, head.length);
        // An alias, which is passed over.
        out.writeBytes(new byte[] {(byte) 0xc0, 12, 0, 5, 0, 1, 0, 0, 0, 9, 0, 2, (byte) 0xc0, 12});
        for (int[] record : records) {
            out.writeBytes(new byte[] {(byte) 0xc0, 12, 0, 33, 0, 1, 0, 0, 0, 9, 0, 10, 0, (byte) record[0], 0, (byte) record[1],
                    (byte) (record[2] >> 8), (byte) record[2], 1, 'a', (byte) 0xc0, 12 + 19});
        }
        return out.toByteArray();
    }

    @Test
    void recordsAreRead() throws IOException {
        byte[] question = DnsMessage.question(0x1234, NAME);
        byte[] answer = answer(question, 0, new int[] {1, 2, 5223}, new int[] {3, 4, 443});
        assertTrue(DnsMessage.answers(question, answer));
        List<SrvRecord> records = DnsMessage.records(question, answer);
        assertEquals(2, records.size());
        assertEquals("1 2 5223 a.push.example.org", records.get(0).priority + " " + records.get(0).weight + " " + records.get(0).port + " " + records.get(0).target);
        assertTrue(DnsMessage.records(question, answer(question, 3)).isEmpty());
        assertThrows(IOException.class, () -> DnsMessage.records(question, answer(question, 2)));
        assertFalse(DnsMessage.answers(question, answer(DnsMessage.question(0x1235, NAME), 0)), "another id");
        assertFalse(DnsMessage.answers(question, answer(DnsMessage.question(0x1234, "_xmpp-client._tcp.push.example.org."), 0)), "another name");
        assertFalse(DnsMessage.answers(question, question), "no answer");
        assertThrows(IOException.class, () -> DnsMessage.question(1, "a..b"));
        String long64 = String.join("", Collections.nCopies(64, "x"));
        assertThrows(IOException.class, () -> DnsMessage.question(1, long64 + ".org"));
    }

    @Test
    void noiseDoesNothingButFail() throws IOException {
        byte[] question = DnsMessage.question(7, NAME);
        byte[] good = answer(question, 0, new int[] {1, 2, 5223}, new int[] {3, 4, 443});
        Seeds.check(20_000, random -> {
            byte[] bytes = Arrays.copyOf(good, question.length + random.nextInt(good.length - question.length + 20));
            for (int i = random.nextInt(6); i > 0; i--) {
                bytes[random.nextInt(bytes.length)] = (byte) (random.nextBoolean() ? 0xc0 : random.nextInt(256));
            }
            try {
                if (DnsMessage.answers(question, bytes)) {
                    assertTrue(DnsMessage.records(question, bytes).size() <= 64);
                }
            } catch (IOException e) {
                // As it should.
            }
        });
    }

    @Test
    void theClientAsksUntilSomebodyAnswers() throws Exception {
        try (DatagramSocket server = new DatagramSocket(0, InetAddress.getLoopbackAddress());
                DatagramSocket dead = new DatagramSocket(0, InetAddress.getLoopbackAddress())) {
            Thread thread = new Thread(() -> {
                try {
                    DatagramPacket packet = new DatagramPacket(new byte[512], 512);
                    server.receive(packet);
                    byte[] question = Arrays.copyOf(packet.getData(), packet.getLength());
                    byte[] forged = answer(question, 0, new int[] {1, 1, 1});
                    forged[0]++;
                    byte[] right = answer(question, 0, new int[] {1, 1, 5223});
                    for (byte[] bytes : new byte[][] {{1, 2, 3}, forged, right}) {
                        server.send(new DatagramPacket(bytes, bytes.length, packet.getSocketAddress()));
                    }
                } catch (IOException e) {
                    throw new AssertionError(e);
                }
            });
            thread.start();
            List<InetSocketAddress> servers = Arrays.asList((InetSocketAddress) dead.getLocalSocketAddress(), (InetSocketAddress) server.getLocalSocketAddress());
            List<SrvRecord> records = new DnsClient(() -> servers).resolve(NAME);
            assertEquals(5223, records.get(0).port);
            thread.join();
        }
        assertThrows(IOException.class, () -> new DnsClient(Collections::emptyList).resolve(NAME));
    }

    private static List<Candidate> candidates(ServerAddress server, SrvResolver resolver) {
        return Candidate.of(server, resolver, bound -> bound / 2);
    }

    @Test
    void bothKindsOfRecordsStandInOneOrder() {
        SrvResolver resolver = name -> name.startsWith("_xmpps") ? Arrays.asList(new SrvRecord(5, 0, 443, "c"), new SrvRecord(1, 1, 5223, "b"))
                : Arrays.asList(new SrvRecord(1, 1, 5222, "b"), new SrvRecord(0, 1, 5222, "a"));
        assertEquals("[a:5222 (STARTTLS), b:5223, b:5222 (STARTTLS), c:443]", candidates(ServerAddress.ofDomain("d.org"), resolver).toString());
        SrvResolver many = name -> Collections.nCopies(64, new SrvRecord(0, 0, 1, "x"));
        assertEquals(8, candidates(ServerAddress.ofDomain("d.org"), many).size());
    }

    @Test
    void withoutRecordsThereAreTheUsualPorts() {
        String usual = "[d.org:5223, d.org:5222 (STARTTLS)]";
        assertEquals(usual, candidates(ServerAddress.ofDomain("d.org"), name -> new ArrayList<>()).toString());
        assertEquals(usual, candidates(ServerAddress.ofDomain("d.org"), name -> {
            throw new IOException("no name server");
        }).toString());
        assertEquals(usual, candidates(ServerAddress.ofDomain("d.org"), name -> Collections.singletonList(new SrvRecord(0, 0, 0, "."))).toString());
        SrvResolver never = name -> {
            throw new AssertionError("asked for " + name);
        };
        assertEquals("[h:5222 (STARTTLS)]", candidates(ServerAddress.of("h", "d.org", 0, 5222), never).toString());
        assertEquals("[h:5223, h:5222 (STARTTLS)]", candidates(ServerAddress.of("h", "d.org", 0, 0), never).toString());
    }

    @Test
    void weightsDecideInProportion() {
        java.util.Random random = new java.util.Random(1);
        int heavy = 0;
        for (int i = 0; i < 1000; i++) {
            SrvResolver resolver = name -> name.startsWith("_xmpps") ? Arrays.asList(new SrvRecord(0, 1, 1, "light"), new SrvRecord(0, 3, 1, "heavy")) : new ArrayList<>();
            heavy += Candidate.of(ServerAddress.ofDomain("d"), resolver, random::nextInt).get(0).host.equals("heavy") ? 1 : 0;
        }
        assertTrue(heavy > 700 && heavy < 800, heavy + " of 1000");
    }
}
