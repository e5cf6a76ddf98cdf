package org.tidings.client;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertFalse;
import static org.junit.Assert.assertNull;
import static org.junit.Assert.assertThrows;
import static org.junit.Assert.assertTrue;

import java.io.File;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.security.GeneralSecurityException;
import java.security.KeyStoreException;
import java.util.Arrays;
import javax.crypto.Cipher;
import javax.crypto.spec.GCMParameterSpec;
import javax.crypto.spec.SecretKeySpec;
import org.junit.Before;
import org.junit.Test;
import org.junit.runner.RunWith;
import org.robolectric.RobolectricTestRunner;

/** The account's file with a keystore, without one, and with one that has lost its key. */
@RunWith(RobolectricTestRunner.class)
public final class SecretsTest extends ClientTest {
    private EventLog log;

    @Before
    public void setUp() {
        log = new EventLog(app.getNoBackupFilesDir());
    }

    /** A keystore: the simulated phone has none. */
    private static final class Keystore extends SecretCipher {
        private byte[] key = new byte[32];
        private boolean works = true;

        private Cipher cipher(int mode, byte[] iv) throws GeneralSecurityException {
            if (!works) {
                throw new KeyStoreException("the keystore's process is gone");
            }
            Cipher cipher = Cipher.getInstance("AES/GCM/NoPadding");
            cipher.init(mode, new SecretKeySpec(key, "AES"), new GCMParameterSpec(128, iv));
            return cipher;
        }

        @Override
        byte[] encrypt(byte[] plain) throws GeneralSecurityException {
            byte[] iv = new byte[12];
            new java.security.SecureRandom().nextBytes(iv);
            byte[] body = cipher(Cipher.ENCRYPT_MODE, iv).doFinal(plain);
            byte[] all = Arrays.copyOf(iv, 12 + body.length);
            System.arraycopy(body, 0, all, 12, body.length);
            return all;
        }

        @Override
        byte[] decrypt(byte[] all, int from) throws GeneralSecurityException {
            byte[] iv = Arrays.copyOfRange(all, from, from + 12);
            try {
                return cipher(Cipher.DECRYPT_MODE, iv).doFinal(all, from + 12, all.length - from - 12);
            } catch (javax.crypto.AEADBadTagException e) {
                return null;
            }
        }
    }

    private String onDisk(String name) throws IOException {
        return new String(Files.readAllBytes(new File(app.getNoBackupFilesDir(), "tidings/" + name).toPath()), StandardCharsets.ISO_8859_1);
    }

    @Test
    public void encryptedWithAKeystore() throws IOException {
        Secrets secrets = new Secrets(app, new Keystore(), log);
        secrets.write("account", "wonderland");
        assertFalse(onDisk("account").contains("wonderland"));
        assertTrue(secrets.isEncrypted("account"));
        assertEquals("wonderland", secrets.read("account"));
        secrets.remove("account");
        assertNull(secrets.read("account"));
    }

    @Test
    public void withoutAKeystoreItSaysSo() throws IOException {
        Secrets secrets = new Secrets(app, new SecretCipher(), log);
        secrets.write("account", "wonderland");
        assertEquals("wonderland", secrets.read("account"));
        assertFalse(secrets.isEncrypted("account"));
        assertTrue(log.read(), log.read().contains("account is kept without encryption"));
    }

    @Test
    public void aLostKeyForgets() throws IOException {
        Keystore keystore = new Keystore();
        Secrets secrets = new Secrets(app, keystore, log);
        secrets.write("account", "wonderland");
        keystore.key[0] = 1;
        assertNull(secrets.read("account"));
        assertTrue(log.read().contains("the key of account is gone"));
    }

    @Test
    public void aKeystoreThatDoesNotAnswerForgetsNothing() throws IOException {
        Keystore keystore = new Keystore();
        Secrets secrets = new Secrets(app, keystore, log);
        secrets.write("account", "wonderland");
        keystore.works = false;
        assertThrows(IOException.class, () -> secrets.read("account"));
        keystore.works = true;
        assertEquals("wonderland", secrets.read("account"));
    }

    @Test
    public void aDamagedFileIsNone() throws IOException {
        Secrets secrets = new Secrets(app, new Keystore(), log);
        secrets.write("account", "wonderland");
        File file = new File(app.getNoBackupFilesDir(), "tidings/account");
        for (byte[] damaged : new byte[][] {{}, {'x'}, {'k', 1, 2, 3}}) {
            Files.write(file.toPath(), damaged);
            assertNull(secrets.read("account"));
        }
    }
}
