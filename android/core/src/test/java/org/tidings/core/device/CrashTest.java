package org.tidings.core.device;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.tidings.core.testing.MemoryStore;
import org.tidings.core.testing.Seeds;
import org.tidings.core.testing.World;

/** A process that dies at any point between receive, store, show and acknowledge. */
class CrashTest {
    private static final int NOTIFICATIONS = 5;

    /**
     * Dies at each step once: before and after the store has them, before and after each is shown,
     * before and after each is marked as shown.
     */
    @Test
    void nothingIsLostWhereverItDies() {
        // Each comes by itself: two steps around storing, two around showing, two around marking.
        int points = 6 * NOTIFICATIONS;
        int twice = 0;
        for (int point = 0; point <= points; point++) {
            World world = new World(point);
            world.start();
            for (int i = 0; i < NOTIFICATIONS; i++) {
                world.server.push("n" + i, "t");
            }
            world.store.stepsToLive = point;
            boolean died = false;
            try {
                world.settle();
            } catch (MemoryStore.Killed e) {
                died = true;
            }
            assertEquals(point < points, died, "point " + point);
            world.store.stepsToLive = -1;
            world.kill();
            world.start().pass(600_000);
            List<String> distinct = new ArrayList<>(new HashSet<>(world.shown));
            Collections.sort(distinct);
            assertEquals("[n0, n1, n2, n3, n4]", distinct.toString(), "point " + point);
            assertTrue(world.server.pending.isEmpty(), "point " + point);
            assertTrue(world.store.unshown.isEmpty(), "point " + point);
            int repeated = world.shown.size() - NOTIFICATIONS;
            assertTrue(repeated <= 1, "point " + point + " showed " + world.shown);
            twice += repeated;
        }
        // Only between showing and marking can one be shown twice, under the same id.
        assertEquals(2 * NOTIFICATIONS, twice);
    }

    /** Cuts, deaths, a full disk and a server that forgets sessions, in any order. */
    @Test
    void nothingIsLostWhateverHappens() {
        Seeds.check(40, random -> {
            World world = new World(random.nextInt());
            world.server.sasl2 = random.nextBoolean();
            world.start();
            int sent = 0;
            int deaths = 0;
            for (int i = 0; i < 60; i++) {
                switch (random.nextInt(8)) {
                    case 0: world.cut(); break;
                    case 1: world.server.forgetSessions(); break;
                    case 2: world.store.full = !world.store.full && random.nextBoolean(); break;
                    case 3: world.engine.network(random.nextBoolean() ? "a" : "b"); break;
                    case 4:
                        world.store.stepsToLive = random.nextInt(6);
                        break;
                    default: world.server.push("n" + sent++, "t");
                }
                try {
                    world.settle().pass(random.nextInt(120_000));
                } catch (MemoryStore.Killed e) {
                    deaths++;
                    world.store.stepsToLive = -1;
                    world.kill();
                    world.start();
                }
            }
            world.store.full = false;
            world.store.stepsToLive = -1;
            world.pass(3_600_000);
            Set<String> distinct = new HashSet<>(world.shown);
            assertEquals(sent, distinct.size(), "each was shown");
            assertTrue(world.shown.size() - sent <= deaths, "twice only where the process died");
            assertTrue(world.server.pending.isEmpty());
        });
    }

    @Test
    void orderHoldsWhileNothingDies() {
        Seeds.check(20, random -> {
            World world = new World(random.nextInt());
            world.start();
            for (int i = 0; i < 100; i++) {
                world.server.push("n" + i, "t");
                if (random.nextInt(5) == 0) {
                    world.cut();
                }
                world.pass(random.nextInt(30_000));
            }
            world.pass(3_600_000);
            for (int i = 0; i < 100; i++) {
                assertEquals("n" + i, world.shown.get(i));
            }
        });
    }
}
