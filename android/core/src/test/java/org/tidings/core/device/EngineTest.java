package org.tidings.core.device;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.tidings.core.stream.Trouble;
import org.tidings.core.testing.World;

/** A device's whole life on a fake clock, with a server in memory. */
class EngineTest {
    private static final long MINUTE = 60_000;

    private final World world = new World(1);

    private static List<String> listOf(String... items) {
        return Arrays.asList(items);
    }

    @Test
    void registersLogsInAndReceives() {
        for (boolean sasl2 : new boolean[] {true, false}) {
            World world = new World(2);
            world.server.sasl2 = sasl2;
            world.start();
            assertTrue(world.isOnline(), world.statuses.toString());
            assertEquals(1, world.server.accounts.size());
            assertTrue(world.store.account.registered());
            assertEquals(listOf(world.identity), world.met);
            world.push("a").push("b");
            assertEquals(listOf("a", "b"), world.shown);
            assertTrue(world.server.pending.isEmpty(), "acknowledged");
            assertTrue(world.store.unshown.isEmpty());
        }
    }

    @Test
    void withoutStreamManagementThereAreReceipts() {
        world.server.management = false;
        world.start();
        assertTrue(world.isOnline());
        world.push("a");
        assertEquals(listOf("a"), world.shown);
        assertTrue(world.server.pending.isEmpty());
        world.blackHole = true;
        world.pass(6 * MINUTE);
        assertFalse(world.isOnline(), "a dead link shows by a ping, too");
    }

    @Test
    void waitingOnesComeAtOnceAndOnlyOnce() {
        for (int i = 0; i < 200; i++) {
            world.server.push("n" + i, "t");
        }
        world.start();
        assertEquals(200, world.shown.size());
        assertTrue(world.server.pending.isEmpty());
        for (int i = 0; i < 200; i++) {
            world.server.push("n" + i, "again");
        }
        world.settle();
        assertEquals(200, world.shown.size());
        assertTrue(world.server.pending.isEmpty(), "repeated ones are acknowledged");
    }

    @Test
    void aCutSessionGoesOn() {
        for (boolean sasl2 : new boolean[] {true, false}) {
            World world = new World(3);
            world.server.sasl2 = sasl2;
            world.start();
            for (int i = 0; i < 50; i++) {
                world.cut();
                world.server.push("n" + i, "t");
                world.pass(6 * MINUTE);
                assertTrue(world.isOnline());
            }
            assertEquals(50, world.server.resumptions);
            assertEquals(50, world.shown.size());
            assertEquals(0, world.server.pending.size());
        }
    }

    @Test
    void aLostSessionBeginsAnewAndSaysAgainWhatWasNotHeard() {
        world.start();
        world.engine.subscribe("news", new Heard());
        world.settle();
        assertTrue(world.server.topics.contains("news"));
        world.blackHole = true;
        world.engine.opened("a");
        world.settle();
        world.blackHole = false;
        world.server.topics.clear();
        world.server.forgetSessions();
        world.cut().pass(6 * MINUTE);
        assertTrue(world.isOnline());
        assertEquals(listOf("a"), world.server.opened);
        assertTrue(world.server.topics.contains("news"), "subscribed again");
    }

    @Test
    void openedIsSaidOnceAcrossAResumption() {
        world.start();
        world.blackHole = true;
        world.engine.opened("a");
        world.settle();
        world.blackHole = false;
        world.cut().pass(MINUTE);
        world.engine.opened("b");
        world.settle();
        assertEquals(listOf("a", "b"), world.server.opened);
    }

    @Test
    void topicsAreAnswered() {
        world.start();
        Heard yes = new Heard();
        world.engine.subscribe("news", yes);
        world.settle();
        assertEquals("done", yes.said);
        List<String> listed = new ArrayList<>();
        TopicList list = new TopicList() {
            @Override
            public void topics(List<String> topics) {
                listed.addAll(topics);
            }

            @Override
            public void refused(String condition) {
                listed.add("!" + condition);
            }
        };
        world.engine.listTopics(list);
        world.settle();
        assertEquals(listOf("news"), listed);
        Heard no = new Heard();
        world.engine.unsubscribe("news", no);
        world.settle();
        assertEquals("done", no.said);
        assertTrue(world.server.topics.isEmpty());
        assertTrue(world.store.topics.isEmpty());
        world.engine.subscribe(String.join("", Collections.nCopies(300, "x")), no);
        assertEquals("not-acceptable", no.said);
        world.cut();
        world.engine.listTopics(list);
        assertEquals(listOf("news", "!offline"), listed);
    }

    @Test
    void billionsOfTopicsAreNotKept() {
        world.start();
        Heard heard = new Heard();
        for (int i = 0; i < 3 * Topics.MOST; i++) {
            world.engine.subscribe("t" + i, heard);
            world.settle();
        }
        assertEquals(Topics.MOST, world.store.topics.size());
        assertEquals("not-acceptable", heard.said);
    }

    @Test
    void asManyTopicsAsThereMayBeAreAskedForInOneSession() {
        for (int i = 0; i < Topics.MOST; i++) {
            world.store.topics.add("t" + i);
        }
        world.start();
        assertTrue(world.isOnline(), world.statuses.toString());
        assertEquals(Topics.MOST, world.server.topics.size());
        world.pass(60 * MINUTE);
        assertEquals(1, world.attempts);
    }

    @Test
    void aDeadLinkIsFoundWithinTheBound() {
        world.start();
        world.blackHole = true;
        long since = world.now;
        while (world.isOnline()) {
            world.pass(1_000);
        }
        assertTrue(world.now - since <= Keepalive.MOST + 30_000 + 1_000, "after " + (world.now - since));
        assertEquals(Trouble.TIMEOUT, world.engine.status().trouble());
        world.blackHole = false;
        world.pass(2 * MINUTE);
        assertTrue(world.isOnline());
    }

    @Test
    void aDeviceThatOversleptReadsBeforeItJudges() {
        world.start();
        long probe = world.alarmAt();
        world.blackHole = true;
        world.now = probe;
        world.engine.alarm();
        world.settle();
        // The answer lies unread in the socket; the device slept far beyond the time for it.
        world.now += 8 * MINUTE;
        world.engine.alarm();
        assertTrue(world.isOnline(), "one more chance");
        world.blackHole = false;
        world.inject("<a xmlns='urn:xmpp:sm:3' h='2'/>".getBytes());
        world.pass(MINUTE);
        assertTrue(world.isOnline());
        assertEquals(1, world.attempts);
    }

    @Test
    void aClockThatJumpsDoesNoHarm() {
        world.start();
        world.now += 1000L * 24 * 60 * MINUTE;
        world.pass(10 * MINUTE);
        world.push("a");
        assertEquals(listOf("a"), world.shown);
        assertTrue(world.isOnline());
    }

    @Test
    void networksComeAndGo() {
        world.start();
        world.engine.network(null);
        world.settle();
        assertEquals(Status.State.OFFLINE, world.engine.status().state());
        int attempts = world.attempts;
        world.pass(60 * MINUTE);
        assertEquals(attempts, world.attempts, "no attempt without a network");
        world.push("a");
        world.engine.network("mobile");
        world.settle();
        assertTrue(world.isOnline(), "at once");
        assertEquals(listOf("a"), world.shown);
        assertEquals(1, world.server.resumptions);
        world.engine.network("mobile");
        world.settle();
        assertEquals(attempts + 1, world.attempts, "the same network is no news");
    }

    @Test
    void aFlappingNetworkDoesNotHammer() {
        world.refusing = true;
        world.start();
        for (int i = 0; i < 3600; i++) {
            world.engine.network(i % 2 == 0 ? "a" : "b");
            world.settle().pass(1_000);
        }
        assertTrue(world.attempts < 150, world.attempts + " attempts in an hour");
    }

    @Test
    void neverGivesUpAndNeverHammers() {
        world.refusing = true;
        world.start();
        world.pass(60 * MINUTE);
        assertTrue(world.attempts > 10 && world.attempts < 60, world.attempts + " attempts in an hour");
        world.pass(7 * 24 * 60 * MINUTE);
        world.refusing = false;
        world.pass(6 * MINUTE);
        assertTrue(world.isOnline());
    }

    @Test
    void aServerThatDropsEverySessionIsNotHammered() {
        world.start();
        long end = world.now + 60 * MINUTE;
        while (world.now < end) {
            if (world.isOnline()) {
                world.cut();
            }
            world.pass(1_000);
        }
        assertTrue(world.attempts < 60, world.attempts + " attempts in an hour");
    }

    @Test
    void aStoreThatFailsKeepsTheServersCopy() {
        world.start();
        world.store.full = true;
        world.push("a").push("b");
        assertTrue(world.shown.isEmpty());
        assertEquals(2, world.server.pending.size(), "not acknowledged");
        assertEquals(Trouble.STORE, world.engine.status().trouble());
        world.pass(20 * MINUTE);
        assertTrue(world.isOnline(), "the link is alive all the same");
        world.store.full = false;
        world.pass(6 * MINUTE);
        assertEquals(listOf("a", "b"), world.shown);
        assertTrue(world.server.pending.isEmpty());
        assertNull(world.engine.status().trouble());
    }

    @Test
    void aStoreThatFailsForLongDoesNotFillTheMemory() {
        world.start();
        world.store.full = true;
        for (int i = 0; i < 2 * Deliveries.MOST_WAITING; i++) {
            world.push("n" + i);
        }
        assertEquals(Status.State.WAITING, world.engine.status().state());
        assertEquals(Trouble.STORE, world.engine.status().trouble());
        world.pass(60 * MINUTE);
        world.store.full = false;
        world.pass(60 * MINUTE);
        assertEquals(2 * Deliveries.MOST_WAITING, world.shown.size());
        assertTrue(world.server.pending.isEmpty());
    }

    @Test
    void anAppThatStumblesOverOneGetsTheOthers() {
        world.start();
        world.stumblesOver = "b";
        world.push("a").push("b").push("c");
        assertEquals(listOf("a", "c"), world.shown);
        assertTrue(world.server.pending.isEmpty());
        world.kill();
        world.stumblesOver = null;
        world.start();
        assertEquals(listOf("a", "c", "b"), world.shown);
    }

    @Test
    void stoppingEndsTheSessionInGoodOrder() {
        world.start();
        world.engine.stop();
        world.settle();
        assertEquals(Status.State.STOPPED, world.engine.status().state());
        world.pass(60 * MINUTE);
        assertEquals(1, world.attempts);
    }

    @Test
    void aPingIsAnswered() {
        world.start();
        Heard heard = new Heard();
        world.engine.ping(heard);
        world.settle();
        assertEquals("done", heard.said);
        world.cut();
        world.engine.ping(heard);
        assertEquals("offline", heard.said);
    }

    @Test
    void inactivityIsSaidAtEachNewStream() {
        world.start();
        world.engine.setActive(false);
        long before = world.bytesOut;
        world.engine.setActive(false);
        assertEquals(before, world.bytesOut, "said once");
        world.cut().pass(MINUTE);
        assertTrue(world.isOnline());
    }

    /** Remembers how a request ended. */
    static final class Heard implements Answer {
        String said;

        @Override
        public void done() {
            said = "done";
        }

        @Override
        public void refused(String condition) {
            said = condition;
        }
    }
}
