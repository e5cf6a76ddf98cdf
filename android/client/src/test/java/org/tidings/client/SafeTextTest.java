package org.tidings.client;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertFalse;
import static org.junit.Assert.assertTrue;

import java.util.Random;
import org.junit.Test;

/** Texts that would lie, break out of their line, or fill the screen. */
public final class SafeTextTest {
    @Test
    public void ordinaryTextsStayAsTheyAre() {
        for (String text : new String[] {"Storm", "Größe, naïve", "日本語", "مرحبا", "שלום", "👨‍👩‍👧 🏴󠁧󠁢󠁥󠁮󠁧󠁿", "नमस्ते", "é", "Tiếng Việt"}) {
            assertEquals(text, SafeText.line(text, 100));
            assertEquals(text, SafeText.text(text, 100));
        }
        assertEquals("a\n\nb", SafeText.text("a\r\n\r\nb\r\n", 100));
        assertEquals("  a  b", SafeText.text("  a  b  ", 100));
    }

    @Test
    public void directionsCannotBeTurnedAround() {
        assertEquals("exe.fdp", SafeText.line("\u202Eexe.fdp", 100));
        assertEquals("abcdef", SafeText.line("a\u202Ab\u2066c\u2069d\u202Ce\u200F\u061Cf", 100));
    }

    @Test
    public void controlsAndHalvesOfPairsGo() {
        assertEquals("ab", SafeText.line("a\u0000\u001B\u0007\u009B\uD800b\uDC00\uFEFF\uFFF9", 100));
        assertEquals("a b", SafeText.line("a\n\t \u2028b", 100));
        assertEquals("a\nb", SafeText.text("a\u0085b", 100));
        assertEquals("a\n\nb", SafeText.text("\n\na" + "\n".repeat(1000) + "b", 100));
    }

    @Test
    public void marksCannotClimbOutOfTheLine() {
        assertEquals(9, SafeText.line("a" + "\u0301".repeat(500), 1000).length());
    }

    @Test
    public void whatIsTooLongIsCutBetweenCharacters() {
        assertEquals("👍👍…", SafeText.line("👍".repeat(30_000), 2));
        assertEquals(SafeText.TITLE + 1, SafeText.line("x".repeat(60_000), SafeText.TITLE).length());
        assertEquals("", SafeText.line(null, 10));
    }

    @Test
    public void nothingThatComesOutIsHarmful() {
        Random random = new Random(7);
        for (int i = 0; i < 3000; i++) {
            StringBuilder text = new StringBuilder();
            for (int n = random.nextInt(40); n > 0; n--) {
                text.append((char) (random.nextBoolean() ? random.nextInt(0x10000) : 0x2000 + random.nextInt(0x70)));
            }
            String line = SafeText.line(text.toString(), 20);
            assertTrue(line.codePointCount(0, line.length()) <= 21);
            line.codePoints().forEach(c -> assertFalse(Integer.toHexString(c), SafeText.isHarmful(c) || c == '\n' || c == 0x2028));
            assertEquals("clean is clean", line, SafeText.line(line, 21));
            String lines = SafeText.text(text.toString(), 20);
            lines.codePoints().forEach(c -> assertFalse(Integer.toHexString(c), c != '\n' && SafeText.isHarmful(c)));
        }
    }
}
