package org.tidings.core.store;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.tidings.core.Notification;
import org.tidings.core.device.Account;
import org.tidings.core.device.SeenRing;
import org.tidings.core.stream.Ns;
import org.tidings.core.testing.Seeds;
import org.tidings.core.xml.Element;

/** The files that outlive the process, whatever a crash leaves of them. */
class FileStoreTest {
    @TempDir
    Path folder;

    private static Notification notification(String id) {
        return Notification.of(new Element("notification", Ns.PUSH).with("id", id).with("topic", "a\nb").withField("title", "Gr\u00fc\u00dfe\n<&>")
                .with(new Element("data", Ns.PUSH).with("key", "k").withText("v")));
    }

    private static List<Notification> notifications(String... ids) {
        List<Notification> all = new ArrayList<>();
        for (String id : ids) {
            all.add(notification(id));
        }
        return all;
    }

    private FileStore open() throws IOException {
        return new FileStore(folder.resolve("store").toFile());
    }

    @Test
    void everythingIsReadAsItWasWritten() throws IOException {
        try (FileStore store = open()) {
            assertNull(store.account());
            assertTrue(store.topics().isEmpty());
            store.saveAccount(new Account("a\\nb", "p\nq\r\\", "agent", false, true, null));
            store.saveTopics(Arrays.asList("news", "x\ny"));
            store.saveKeepalive("300000 0 0 home\n");
            store.save(notifications("1", "2", "3"));
            store.shown("2");
        }
        try (FileStore store = open()) {
            Account account = store.account();
            assertEquals("a\\nb p\nq\r\\ agent false true null", String.join(" ", account.username(), account.password(), account.agent(),
                    "" + account.registered(), "" + account.own(), "" + account.identity()));
            assertTrue(!account.toString().contains("p\nq"), "no password in what is printed");
            assertEquals(Arrays.asList("news", "x\ny"), store.topics());
            assertEquals("300000 0 0 home", store.keepalive());
            assertEquals(Arrays.asList("1", "2", "3"), store.recentIds());
            List<Notification> unshown = store.unshown();
            assertEquals("[Notification(1), Notification(3)]", unshown.toString());
            assertEquals(notification("3").toElement(), unshown.get(1).toElement());
            assertEquals("v", unshown.get(0).data().get("k"));
        }
    }

    @Test
    void whatACrashLeftOfTheLastLineIsCutOff() throws IOException {
        File file = folder.resolve("journal").toFile();
        long before;
        try (Journal journal = new Journal(file)) {
            journal.save(notifications("1", "2"));
            journal.shown("1");
            before = file.length();
            journal.save(notifications("3"));
        }
        byte[] all = Files.readAllBytes(file.toPath());
        for (int length = (int) before; length <= all.length; length++) {
            Files.write(file.toPath(), Arrays.copyOf(all, length));
            try (Journal journal = new Journal(file)) {
                assertEquals(length == all.length ? 3 : 2, journal.recentIds().size(), "cut at " + length);
                journal.save(notifications("4"));
            }
            try (Journal journal = new Journal(file)) {
                assertTrue(journal.recentIds().contains("4") && journal.recentIds().contains("1"));
                assertEquals(length == all.length ? 3 : 2, journal.unshown().size());
            }
        }
    }

    @Test
    void whatStoodBehindADamagedLineDoesNotComeBack() throws IOException {
        File file = folder.resolve("journal").toFile();
        try (Journal journal = new Journal(file)) {
            journal.save(notifications("1", "2", "3"));
        }
        byte[] all = Files.readAllBytes(file.toPath());
        all[5]++;
        Files.write(file.toPath(), all);
        // Its line is as long as the damaged one, so the next one would be whole again.
        try (Journal journal = new Journal(file)) {
            journal.save(notifications("4"));
        }
        try (Journal journal = new Journal(file)) {
            assertEquals(Collections.singletonList("4"), journal.recentIds());
        }
    }

    @Test
    void damageNeverKeepsTheDeviceFromStarting() {
        Seeds.check(300, random -> {
            File file = folder.resolve("damaged" + random.nextInt()).toFile();
            try (Journal journal = new Journal(file)) {
                journal.save(notifications("1", "2", "3"));
                journal.shown("1");
            }
            byte[] all = Files.readAllBytes(file.toPath());
            for (int i = 1 + random.nextInt(4); i > 0; i--) {
                all[random.nextInt(all.length)] = (byte) random.nextInt(256);
            }
            Files.write(file.toPath(), all);
            try (Journal journal = new Journal(file)) {
                assertTrue(journal.recentIds().size() <= 3);
                journal.save(notifications("4"));
                assertTrue(journal.recentIds().contains("4"));
            }
            Files.delete(file.toPath());
        });
    }

    @Test
    void theFileDoesNotGrowForEver() throws IOException {
        File file = folder.resolve("journal").toFile();
        long most = 0;
        try (Journal journal = new Journal(file)) {
            List<Notification> kept = notifications("kept");
            journal.save(kept);
            for (int i = 0; i < 120; i++) {
                List<Notification> many = new ArrayList<>();
                for (int k = 0; k < 100; k++) {
                    many.add(notification("n" + i + "-" + k));
                }
                journal.save(many);
                for (Notification one : many) {
                    journal.shown(one.id());
                }
                most = Math.max(most, file.length());
            }
            assertEquals(SeenRing.SIZE, journal.recentIds().size());
        }
        assertTrue(most < 2_000_000, most + " bytes");
        try (Journal journal = new Journal(file)) {
            assertEquals(SeenRing.SIZE, journal.recentIds().size());
            assertTrue(journal.recentIds().contains("n119-99") && !journal.recentIds().contains("n0-0"));
            assertEquals("[Notification(kept)]", journal.unshown().toString());
        }
    }

    @Test
    void aFolderThatCannotBeWrittenSaysSo() throws IOException {
        Path file = Files.createFile(folder.resolve("file"));
        assertThrows(IOException.class, () -> new FileStore(file.resolve("below").toFile()));
        try (FileStore store = open()) {
            Files.walk(folder.resolve("store")).filter(Files::isRegularFile).forEach(path -> path.toFile().delete());
            folder.resolve("store").toFile().delete();
            assertThrows(IOException.class, () -> store.saveTopics(Collections.singletonList("x")));
        }
    }
}
