package org.tidings.client;

import android.security.keystore.KeyGenParameterSpec;
import android.security.keystore.KeyProperties;
import java.io.IOException;
import java.security.GeneralSecurityException;
import java.security.InvalidKeyException;
import java.security.KeyStore;
import java.security.UnrecoverableKeyException;
import java.util.Arrays;
import javax.crypto.AEADBadTagException;
import javax.crypto.Cipher;
import javax.crypto.KeyGenerator;
import javax.crypto.SecretKey;
import javax.crypto.spec.GCMParameterSpec;

/** AES-GCM by a key that never leaves the phone's keystore. */
class SecretCipher {
    private static final String PROVIDER = "AndroidKeyStore";
    private static final String ALIAS = "org.tidings.client";
    private static final String TRANSFORMATION = "AES/GCM/NoPadding";
    private static final int IV = 12;
    private static final int TAG_BITS = 128;

    byte[] encrypt(byte[] plain) throws GeneralSecurityException {
        SecretKey key = key();
        if (key == null) {
            key = newKey();
        }
        Cipher cipher = Cipher.getInstance(TRANSFORMATION);
        try {
            cipher.init(Cipher.ENCRYPT_MODE, key);
        } catch (InvalidKeyException e) {
            // The system has given the key up, as after a change of the screen lock on some phones.
            cipher.init(Cipher.ENCRYPT_MODE, newKey());
        }
        byte[] iv = cipher.getIV();
        byte[] body = cipher.doFinal(plain);
        byte[] all = Arrays.copyOf(iv, iv.length + body.length);
        System.arraycopy(body, 0, all, iv.length, body.length);
        return all;
    }

    /** Null where the key is gone for good; an exception where the keystore may answer another time. */
    @Nullable
    byte[] decrypt(byte[] all, int from) throws GeneralSecurityException {
        try {
            SecretKey key = key();
            if (key == null || all.length < from + IV) {
                return null;
            }
            Cipher cipher = Cipher.getInstance(TRANSFORMATION);
            cipher.init(Cipher.DECRYPT_MODE, key, new GCMParameterSpec(TAG_BITS, all, from, IV));
            return cipher.doFinal(all, from + IV, all.length - from - IV);
        } catch (AEADBadTagException | InvalidKeyException | UnrecoverableKeyException e) {
            return null;
        }
    }

    @Nullable
    private static SecretKey key() throws GeneralSecurityException {
        try {
            KeyStore store = KeyStore.getInstance(PROVIDER);
            store.load(null);
            return (SecretKey) store.getKey(ALIAS, null);
        } catch (IOException e) {
            throw new GeneralSecurityException(e);
        }
    }

    private static SecretKey newKey() throws GeneralSecurityException {
        KeyGenerator generator = KeyGenerator.getInstance(KeyProperties.KEY_ALGORITHM_AES, PROVIDER);
        generator.init(new KeyGenParameterSpec.Builder(ALIAS, KeyProperties.PURPOSE_ENCRYPT | KeyProperties.PURPOSE_DECRYPT)
                .setBlockModes(KeyProperties.BLOCK_MODE_GCM).setEncryptionPaddings(KeyProperties.ENCRYPTION_PADDING_NONE)
                .setKeySize(256).build());
        return generator.generateKey();
    }
}
