package org.tidings.core.device;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;
import org.tidings.core.testing.World;

/** What a day without notifications costs, on the fake clock. */
class IdleDayTest {
    private static final long HOUR = 3_600_000;
    /** What TLS 1.3 adds to a record, and TCP and IP to a segment with its acknowledgement. */
    private static final int RECORD = 5 + 1 + 16;

    @Test
    void anIdleDay() {
        World world = new World(1);
        world.start();
        world.pass(2 * HOUR);
        int wakeUps = world.wakeUps;
        long out = world.bytesOut;
        long in = world.bytesIn;
        world.pass(24 * HOUR);
        double hourly = (world.wakeUps - wakeUps) / 24.0;
        long bytes = world.bytesOut - out + world.bytesIn - in;
        System.out.printf("an idle day on a network that allows it: %.1f wake-ups and %.0f bytes of XML an hour (%.0f with TLS)%n",
                hourly, bytes / 24.0, bytes / 24.0 + 2 * hourly * RECORD);
        assertEquals(1, world.attempts, "one connection all day");
        assertTrue(hourly <= 7, hourly + " wake-ups an hour");
        assertTrue(world.isOnline());
    }

    @Test
    void anIdleDayBehindAnAddressTranslatorThatForgetsAfterFourMinutes() {
        World world = new World(2);
        world.forgetsAfter = 240_000;
        world.start();
        world.pass(24 * HOUR);
        System.out.printf("an idle day behind a translator that forgets after 4 minutes: %.1f wake-ups an hour, %d connections%n",
                world.wakeUps / 24.0, world.attempts);
        assertTrue(world.isOnline());
        assertTrue(world.attempts <= 8, world.attempts + " connections");
        assertTrue(world.wakeUps / 24.0 <= 25, world.wakeUps + " wake-ups");
        world.push("a");
        world.pass(600_000);
        assertEquals("[a]", world.shown.toString());
    }
}
