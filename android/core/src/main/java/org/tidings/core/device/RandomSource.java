package org.tidings.core.device;

/** Where random bytes come from: the system's generator, or a test's seed. */
public interface RandomSource {
    void fill(byte[] bytes);

    /** Random bytes in hexadecimal digits. */
    static String hex(RandomSource random, int bytes) {
        byte[] raw = new byte[bytes];
        random.fill(raw);
        StringBuilder text = new StringBuilder();
        for (byte b : raw) {
            text.append(Character.forDigit(b >> 4 & 15, 16)).append(Character.forDigit(b & 15, 16));
        }
        return text.toString();
    }

    /** A number from 0 to {@code bound}, that included. */
    static long upTo(RandomSource random, long bound) {
        byte[] raw = new byte[4];
        random.fill(raw);
        long bits = (raw[0] & 255L) << 24 | (raw[1] & 255L) << 16 | (raw[2] & 255L) << 8 | raw[3] & 255L;
        return Math.round(bound * (bits / 4294967295.0));
    }
}
