package org.tidings.core.net;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.List;
import org.tidings.core.device.ServerAddress;

/** One way to a server: a host, a port, and whether TLS comes first there (XEP-0368) or after STARTTLS. */
final class Candidate {
    /** Ways that are tried. */
    private static final int MOST = 8;

    final String host;
    final int port;
    final boolean directTls;

    Candidate(String host, int port, boolean directTls) {
        this.host = host;
        this.port = port;
        this.directTls = directTls;
    }

    /** Draws a number below its argument. */
    interface Dice {
        int draw(int bound);
    }

    /** The ways to a server, the best first: as DNS says, or else the usual ports. */
    static List<Candidate> of(ServerAddress server, SrvResolver resolver, Dice dice) {
        List<Candidate> all = server.byRecords() ? records(server.domain(), resolver, dice) : new ArrayList<>();
        if (all.isEmpty()) {
            add(all, server.host(), server.directTlsPort(), true);
            add(all, server.host(), server.startTlsPort(), false);
        }
        return all.subList(0, Math.min(all.size(), MOST));
    }

    private static void add(List<Candidate> to, String host, int port, boolean directTls) {
        if (port != 0) {
            to.add(new Candidate(host, port, directTls));
        }
    }

    /** A record together with what it is for. */
    private static final class Entry {
        final SrvRecord record;
        final boolean directTls;
        final double rank;

        Entry(SrvRecord record, boolean directTls, Dice dice) {
            this.record = record;
            this.directTls = directTls;
            // Draws so that the first one is each with a probability in proportion to its weight.
            double drawn = (dice.draw(1 << 20) + 1.0) / (1 << 20);
            this.rank = record.weight == 0 ? Double.MAX_VALUE : -Math.log(drawn) / record.weight;
        }
    }

    /** Both kinds of records in one order (XEP-0368 section 2). */
    private static List<Candidate> records(String domain, SrvResolver resolver, Dice dice) {
        List<Entry> entries = new ArrayList<>();
        try {
            for (boolean direct : new boolean[] {true, false}) {
                for (SrvRecord record : resolver.resolve((direct ? "_xmpps-client._tcp." : "_xmpp-client._tcp.") + domain)) {
                    if (!record.target.equals(".")) {
                        entries.add(new Entry(record, direct, dice));
                    }
                }
            }
        } catch (IOException e) {
            // Who does not answer one question is not asked another: the usual ports are tried.
        }
        Collections.sort(entries, Comparator.<Entry>comparingInt(entry -> entry.record.priority)
                .thenComparing(entry -> !entry.directTls).thenComparingDouble(entry -> entry.rank));
        List<Candidate> all = new ArrayList<>();
        for (Entry entry : entries) {
            add(all, entry.record.target, entry.record.port, entry.directTls);
        }
        return all;
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof Candidate && host.equals(((Candidate) other).host) && port == ((Candidate) other).port
                && directTls == ((Candidate) other).directTls;
    }

    @Override
    public int hashCode() {
        return host.hashCode() + port;
    }

    @Override
    public String toString() {
        return host + ":" + port + (directTls ? "" : " (STARTTLS)");
    }
}
