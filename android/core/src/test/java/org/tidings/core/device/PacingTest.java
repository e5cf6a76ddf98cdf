package org.tidings.core.device;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.tidings.core.testing.SeededRandom;
import org.tidings.core.testing.Seeds;

/** Waits between attempts, intervals of the keepalive, and the ring of ids. */
class PacingTest {
    private static final RandomSource FULL = bytes -> java.util.Arrays.fill(bytes, (byte) 0xff);

    @Test
    void theCeilingDoublesUpToTheMostAndStartsAgain() {
        Backoff backoff = new Backoff(1_000, 300_000);
        List<Long> waits = new ArrayList<>();
        for (int i = 0; i < 40; i++) {
            waits.add(backoff.next(FULL) / 1_000);
        }
        assertEquals("[1, 2, 4, 8, 16, 32, 64, 128, 256, 300]", waits.subList(0, 10).toString());
        assertEquals(300, waits.get(39));
        backoff.reset();
        assertEquals(1_000, backoff.next(FULL));
        assertEquals(2_400_000, backoff.slow(FULL));
    }

    @Test
    void waitsAreSpreadOverTheWholeRange() {
        int[] tenths = new int[10];
        SeededRandom random = new SeededRandom(7);
        for (int i = 0; i < 1000; i++) {
            long wait = new Backoff(1_000, 1_000).next(random);
            assertTrue(wait >= 0 && wait <= 1_000);
            tenths[(int) Math.min(9, wait / 100)]++;
        }
        for (int count : tenths) {
            assertTrue(count > 50 && count < 150, count + " in a tenth");
        }
    }

    @Test
    void anyRunOfFailuresStaysWithinTheBounds() {
        Seeds.check(300, random -> {
            SeededRandom source = new SeededRandom(random.nextLong());
            Backoff backoff = new Backoff(1_000, 300_000);
            long sum = 0;
            for (int i = 0; i < 200; i++) {
                long wait = backoff.next(source);
                assertTrue(wait >= 0 && wait <= 300_000);
                sum += wait;
                long slow = new Backoff(1_000, 300_000).slow(source);
                assertTrue(slow >= 1_200_000 && slow <= 2_400_000);
            }
            assertTrue(sum > 200 * 100_000L, "an average of " + sum / 200);
        });
    }

    @Test
    void quickTriesAreUsedUpAndComeBack() {
        QuickTries tries = new QuickTries(0);
        for (int i = 0; i < QuickTries.MOST; i++) {
            assertTrue(tries.take(0));
        }
        assertFalse(tries.take(QuickTries.REFILL - 1));
        assertTrue(tries.take(QuickTries.REFILL));
        assertFalse(tries.take(QuickTries.REFILL));
        assertFalse(tries.take(0), "a clock that goes back gives none");
        assertTrue(tries.take(Long.MAX_VALUE / 2));
    }

    @Test
    void theKeepaliveFindsWhatANetworkAllows() {
        Seeds.check(1000, random -> {
            long allows = 70_000 + random.nextInt(800_000);
            Keepalive keepalive = new Keepalive();
            int losses = 0;
            for (int i = 0; i < 90; i++) {
                long interval = keepalive.interval("net");
                assertTrue(interval >= Keepalive.LEAST && interval <= Keepalive.MOST);
                if (interval <= allows) {
                    keepalive.held("net", interval + random.nextInt(500));
                } else {
                    losses++;
                    keepalive.lost("net", interval + random.nextInt(500));
                }
            }
            long found = keepalive.interval("net");
            assertTrue(found <= allows, found + " of " + allows);
            assertTrue(found >= Math.min(Keepalive.MOST, allows) * 0.55 || found == Keepalive.LEAST, found + " of " + allows);
            assertTrue(losses <= 5, losses + " losses");
        });
    }

    @Test
    void anOldLossIsForgotten() {
        Keepalive keepalive = new Keepalive();
        keepalive.lost("net", 300_000);
        for (int i = 0; i < 99; i++) {
            keepalive.held("net", keepalive.interval("net"));
        }
        assertEquals(240_000, keepalive.interval("net"));
        for (int i = 0; i < 10; i++) {
            keepalive.held("net", keepalive.interval("net"));
        }
        assertEquals(Keepalive.MOST, keepalive.interval("net"));
    }

    @Test
    void eachNetworkIsKnownByItselfAndAcrossRestarts() {
        Keepalive keepalive = new Keepalive();
        keepalive.held("home network", Keepalive.FIRST);
        keepalive.lost("mobile", 120_000);
        Keepalive again = new Keepalive();
        again.parse(keepalive.format() + "garbage\n1 2 3\nx y z w\n99999999999 -5 -1 odd\n\n");
        assertEquals(450_000, again.interval("home network"));
        assertEquals(80_000, again.interval("mobile"));
        assertEquals(Keepalive.FIRST, again.interval("w"));
        assertEquals(Keepalive.MOST, again.interval("odd"));
        assertEquals(Keepalive.FIRST, again.interval("new"));
        again.parse(null);
        for (int i = 0; i < 1000; i++) {
            again.lost("net" + i, 100_000);
        }
        assertEquals(Keepalive.NETWORKS, again.format().split("\n").length);
    }

    @Test
    void theRingRemembersTheLastThousand() {
        Seeds.check(50, random -> {
            SeenRing ring = new SeenRing();
            List<String> model = new ArrayList<>();
            for (int i = 0; i < 3000; i++) {
                String id = "n" + random.nextInt(2500);
                if (!model.contains(id)) {
                    model.add(id);
                    if (model.size() > SeenRing.SIZE) {
                        model.remove(0);
                    }
                }
                ring.add(id);
            }
            for (int i = 0; i < 2500; i++) {
                assertEquals(model.contains("n" + i), ring.contains("n" + i));
            }
        });
        SeenRing ring = new SeenRing();
        String huge = String.join("", java.util.Collections.nCopies(300, "x"));
        ring.add(huge);
        assertFalse(ring.contains(huge));
    }

    @Test
    void aUserAgentIsAUuid() {
        for (int i = 0; i < 100; i++) {
            String agent = Account.newAgent(new SeededRandom(i));
            assertTrue(agent.matches("[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"), agent);
            assertEquals(agent, java.util.UUID.fromString(agent).toString());
        }
    }
}
