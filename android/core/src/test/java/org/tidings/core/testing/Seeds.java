package org.tidings.core.testing;

import java.util.Random;

/** Seeds of property tests: {@code -Dtidings.seed=N} runs one failed case again, {@code -Dtidings.cases=N} more of them. */
public final class Seeds {
    /** One case of a property. */
    public interface Property {
        void holds(Random random) throws Exception;
    }

    private Seeds() {}

    public static void check(int cases, Property property) {
        Long only = Long.getLong("tidings.seed");
        int count = only != null ? 1 : Integer.getInteger("tidings.cases", cases);
        for (int i = 0; i < count; i++) {
            long seed = only != null ? only : i;
            try {
                property.holds(new Random(seed * 0x9E3779B97F4A7C15L));
            } catch (Throwable e) {
                throw new AssertionError("failed with -Dtidings.seed=" + seed + ": " + e, e);
            }
        }
    }
}
