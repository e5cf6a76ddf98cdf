package org.tidings.core.device;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.charset.StandardCharsets;
import java.util.Collections;
import java.util.HashSet;
import org.junit.jupiter.api.Test;
import org.tidings.core.stream.Trouble;
import org.tidings.core.testing.Seeds;
import org.tidings.core.testing.World;

/** Servers that mean harm, or are broken: the device ends the connection, keeps its head and its memory, and comes back. */
class HostileServerTest {
    private static String repeat(String text, int times) {
        return String.join("", Collections.nCopies(times, text));
    }

    /** Sends this in a session, after which the device must be waiting, and well again when the server is. */
    private static void ends(Trouble trouble, String evil) {
        World world = new World(evil.length());
        world.start();
        assertTrue(world.isOnline());
        byte[] bytes = evil.getBytes(StandardCharsets.UTF_8);
        for (int at = 0; at < bytes.length && world.isOnline(); at += 8192) {
            world.inject(java.util.Arrays.copyOfRange(bytes, at, Math.min(bytes.length, at + 8192)));
        }
        String start = evil.substring(0, Math.min(60, evil.length()));
        assertEquals(Status.State.WAITING, world.engine.status().state(), start);
        assertEquals(trouble, world.engine.status().trouble(), start);
        world.pass(600_000).push("after");
        assertTrue(world.isOnline(), start);
        assertEquals(Collections.singletonList("after"), world.shown, start);
    }

    @Test
    void garbageEndsTheConnection() {
        ends(Trouble.PROTOCOL, "\u0000\u0001\u0002");
        ends(Trouble.PROTOCOL, "HTTP/1.1 200 OK\r\n\r\n");
        ends(Trouble.PROTOCOL, "<message><body>\u0001</body></message>");
        ends(Trouble.PROTOCOL, "<!DOCTYPE x [<!ENTITY a 'b'>]>");
        ends(Trouble.PROTOCOL, "</presence>");
        ends(Trouble.CLOSED, "</stream:stream>");
    }

    @Test
    void hugeStanzasEndTheConnectionBeforeTheyAreWhole() {
        ends(Trouble.PROTOCOL, "<message><body>" + repeat("x", 10_000_000));
        ends(Trouble.PROTOCOL, "<message " + repeat("a", 200_000));
        ends(Trouble.PROTOCOL, "<message>" + repeat("<a>", 100_000));
        ends(Trouble.PROTOCOL, "<message>" + repeat("<a/>", 100_000));
        StringBuilder topics = new StringBuilder("<iq type='result' id='t9'><subscriptions xmlns='urn:tidings:push:1'>");
        for (int i = 0; i < 200_000; i++) {
            topics.append("<topic>t").append(i).append("</topic>");
        }
        ends(Trouble.PROTOCOL, topics.toString());
    }

    @Test
    void anAcknowledgementOfWhatWasNeverSentEndsTheConnection() {
        ends(Trouble.PROTOCOL, "<a xmlns='urn:xmpp:sm:3' h='4000000000'/>");
        ends(Trouble.PROTOCOL, "<a xmlns='urn:xmpp:sm:3' h='99'/>");
        ends(Trouble.PROTOCOL, "<a xmlns='urn:xmpp:sm:3' h='0'/>");
        ends(Trouble.PROTOCOL, "<a xmlns='urn:xmpp:sm:3' h='-1'/>");
        ends(Trouble.PROTOCOL, "<a xmlns='urn:xmpp:sm:3'/>");
    }

    @Test
    void aResumptionOfAnotherSessionIsNotOurs() {
        for (boolean sasl2 : new boolean[] {true, false}) {
            for (String lie : new String[] {"previd='s9'", "h='77'"}) {
                World world = new World(9);
                world.server.sasl2 = sasl2;
                world.start();
                world.server.tamper = said -> {
                    String text = new String(said.get(0), StandardCharsets.UTF_8);
                    if (text.contains("<resumed ")) {
                        String name = lie.substring(0, lie.indexOf('='));
                        int at = text.indexOf(" " + name + "='", text.indexOf("<resumed ")) + 1;
                        String changed = text.substring(0, at) + lie + text.substring(text.indexOf('\'', at + name.length() + 2) + 1);
                        said.set(0, changed.getBytes(StandardCharsets.UTF_8));
                    }
                };
                world.cut().pass(60_000);
                assertTrue(world.statuses.stream().anyMatch(status -> status.trouble() == Trouble.PROTOCOL), world.statuses.toString());
                world.server.tamper = said -> {};
                world.pass(600_000);
                assertTrue(world.isOnline(), "begun anew");
            }
        }
    }

    @Test
    void othersCannotMakeNotificationsOrAnswers() {
        World world = new World(5);
        world.start();
        EngineTest.Heard heard = new EngineTest.Heard();
        world.server.deaf = true;
        world.engine.subscribe("news", heard);
        world.settle();
        String notification = "<notification xmlns='urn:tidings:push:1' id='x'><title>t</title></notification></message>";
        for (String from : new String[] {"evil@push.example.org", "evil.example.org", "push.example.org/x", ""}) {
            world.inject(("<message from='" + from + "'>" + notification).getBytes());
            for (int i = 1; i < 9; i++) {
                world.inject(("<iq type='result' from='" + from + "' id='t" + i + "'/>").getBytes());
            }
        }
        world.inject(("<message type='error'>" + notification).getBytes());
        world.inject("<message><notification xmlns='urn:tidings:push:1'/></message>".getBytes());
        world.inject("<message><notification xmlns='urn:tidings:push:2' id='x'/></message>".getBytes());
        assertTrue(world.shown.isEmpty());
        assertEquals(null, heard.said);
    }

    @Test
    void aLongTitleIsShownAsItIs() {
        World world = new World(6);
        world.start();
        world.server.push("long", repeat("\u202e<b>&'\ud83d\ude00", 3_000));
        world.settle();
        assertEquals(Collections.singletonList("long"), world.shown);
        world.server.push(repeat("i", 40_000), "an id of 40 KB");
        world.settle();
        assertEquals(2, world.shown.size());
    }

    @Test
    void aFloodWithoutAcknowledgementsIsBounded() {
        World world = new World(7);
        world.start();
        world.server.deaf = true;
        String ping = "<iq type='get' id='p' from='push.example.org'><ping xmlns='urn:xmpp:ping'/></iq>";
        for (int i = 0; i < 2_000 && world.isOnline(); i++) {
            world.inject(ping.getBytes());
        }
        assertFalse(world.isOnline(), "answers that nobody acknowledges are kept for so long only");
        assertEquals(Trouble.PROTOCOL, world.engine.status().trouble());
    }

    @Test
    void aServerThatSaysNothingIsLeft() {
        World world = new World(8);
        world.server.deaf = true;
        world.start();
        assertEquals(Status.State.CONNECTING, world.engine.status().state());
        world.pass(90_000);
        assertTrue(world.statuses.stream().anyMatch(status -> status.trouble() == Trouble.TIMEOUT));
        world.server.deaf = false;
        world.pass(600_000);
        assertTrue(world.isOnline());
    }

    @Test
    void anyChangeOfAnyByteIsSurvived() {
        Seeds.check(150, random -> {
            World world = new World(random.nextInt());
            world.server.sasl2 = random.nextBoolean();
            int one = random.nextInt(20);
            int[] count = new int[1];
            world.server.tamper = said -> {
                byte[] bytes = said.get(0);
                if (count[0]++ == one) {
                    for (int i = 1 + random.nextInt(3); i > 0; i--) {
                        bytes[random.nextInt(bytes.length)] = (byte) (random.nextBoolean() ? random.nextInt(256) : "<>'/& =".charAt(random.nextInt(7)));
                    }
                    if (random.nextInt(4) == 0) {
                        said.add(bytes);
                    }
                }
            };
            world.start();
            for (int i = 0; i < 12; i++) {
                world.server.push("n" + i, "t");
                world.settle();
                if (random.nextInt(4) == 0) {
                    world.cut();
                }
                world.pass(random.nextInt(100_000));
            }
            world.server.tamper = said -> {};
            // What a person would have to look at is tried again within the hour.
            world.pass(3 * 3_600_000);
            assertTrue(world.isOnline(), world.statuses.toString());
            // A stanza that came changed beyond recognition was acknowledged as what it was.
            assertTrue(new HashSet<>(world.shown).size() >= 11, world.shown.toString());
        });
    }
}
