package org.tidings.core.device;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Collections;
import org.junit.jupiter.api.Test;
import org.tidings.core.stream.Trouble;
import org.tidings.core.testing.World;

/** A device's account and its server's identity: made up, registered, refused, revoked, changed. */
class AccountTest {
    private static final long MINUTE = 60_000;

    private final World world = new World(1);

    @Test
    void revokedCredentialsLeadToANewAccount() {
        world.start();
        world.engine.subscribe("news", new EngineTest.Heard());
        world.settle();
        Account first = world.store.account;
        world.server.accounts.clear();
        world.server.topics.clear();
        world.server.forgetSessions();
        world.cut().pass(30 * MINUTE);
        assertTrue(world.isOnline(), world.statuses.toString());
        assertNotEquals(first.username(), world.store.account.username());
        assertEquals(first.agent(), world.store.account.agent());
        assertEquals(1, world.server.accounts.size());
        assertTrue(world.server.topics.contains("news"), "the new account has the topics of the old one");
        world.push("a");
        assertEquals(Collections.singletonList("a"), world.shown);
    }

    @Test
    void aGivenAccountIsNeverReplaced() {
        world.settings.account("phone", "secret");
        world.start().pass(24 * 60 * MINUTE);
        assertEquals(Trouble.CREDENTIALS, world.engine.status().trouble());
        assertTrue(world.attempts < 100, world.attempts + " attempts a day");
        world.server.accounts.put("phone", "secret");
        world.engine.retry();
        world.settle();
        assertTrue(world.isOnline());
    }

    @Test
    void registersWithATokenEitherWay() {
        for (boolean feature : new boolean[] {true, false}) {
            World world = new World(4);
            world.server.token = "t'1";
            world.server.tokenFeature = feature;
            world.settings.token("t'1");
            world.start();
            assertTrue(world.isOnline(), world.statuses.toString());
            assertEquals(feature ? 1 : 0, world.server.tokens.size());
        }
    }

    @Test
    void anInvitationForOneNameAlone() {
        world.server.token = "t";
        world.server.invited = "anna";
        world.settings.token("t");
        world.start();
        assertTrue(world.isOnline(), world.statuses.toString());
        assertEquals("anna", world.store.account.username());
        assertEquals(Collections.singleton("anna"), world.server.accounts.keySet());
        world.kill();
        world.start();
        assertTrue(world.isOnline(), world.statuses.toString());
    }

    @Test
    void anInvitationWhoseAnswerWasLostIsOurs() {
        world.server.token = "t";
        world.server.invited = "anna";
        world.settings.token("t");
        world.server.tamper = said -> {
            if (new String(said.get(0)).contains("id='register'")) {
                said.clear();
            }
        };
        world.start();
        assertFalse(world.isOnline());
        assertEquals("anna", world.store.account.username(), "kept before the server heard of it");
        world.server.tamper = said -> {};
        world.kill();
        world.start().pass(10 * MINUTE);
        assertTrue(world.isOnline(), world.statuses.toString());
        assertEquals(1, world.server.accounts.size());
    }

    @Test
    void aWrongTokenIsSaidAndNotRepeatedAllDay() {
        world.server.token = "right";
        world.settings.token("wrong");
        world.start().pass(24 * 60 * MINUTE);
        assertEquals(Trouble.REGISTRATION_REFUSED, world.engine.status().trouble());
        assertTrue(world.attempts < 100, world.attempts + " attempts a day");
    }

    @Test
    void closedRegistrationIsSaid() {
        world.server.registration = false;
        world.start();
        assertEquals(Trouble.REGISTRATION_REFUSED, world.engine.status().trouble());
    }

    @Test
    void aRegistrationWhoseAnswerWasLostIsOurs() {
        world.server.tamper = said -> {
            if (new String(said.get(0)).contains("id='register'")) {
                said.clear();
            }
        };
        world.start();
        assertFalse(world.isOnline());
        Account made = world.store.account;
        assertFalse(made.registered(), "kept before the server heard of it");
        world.server.tamper = said -> {};
        world.kill();
        world.start().pass(10 * MINUTE);
        assertTrue(world.isOnline(), world.statuses.toString());
        assertEquals(made.username(), world.store.account.username());
        assertEquals(1, world.server.accounts.size());
    }

    @Test
    void agreeingToACertificateWhileAnAttemptIsUnderWayCountsForTheNextOne() {
        world.start();
        world.identity = Channel.PIN + "bb";
        world.cut();
        world.engine.retry();
        assertEquals(Status.State.CONNECTING, world.engine.status().state());
        world.engine.trust(Channel.PIN + "bb");
        world.settle();
        assertTrue(world.isOnline(), world.statuses.toString());
    }

    @Test
    void aChangedCertificateIsSaidAndWaitedFor() {
        world.start();
        world.identity = Channel.PIN + "bb";
        world.cut().pass(24 * 60 * MINUTE);
        assertEquals(Trouble.CERTIFICATE_CHANGED, world.engine.status().trouble());
        assertEquals(Channel.PIN + "bb", world.engine.status().fingerprint());
        assertTrue(world.attempts < 100, world.attempts + " attempts a day");
        assertEquals(1, world.server.logins, "nothing was said to it");
        world.engine.trust(Channel.PIN + "bb");
        world.settle();
        assertTrue(world.isOnline());
        assertEquals(Channel.PIN + "bb", world.store.account.identity());
    }
}
