package org.tidings.core.testing;

import java.util.Random;
import org.tidings.core.device.RandomSource;

/** Randomness that a seed decides. */
public final class SeededRandom implements RandomSource {
    private final Random random;

    public SeededRandom(long seed) {
        random = new Random(seed);
    }

    @Override
    public void fill(byte[] bytes) {
        random.nextBytes(bytes);
    }
}
