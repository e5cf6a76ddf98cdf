package org.tidings.client;

/** Makes a stranger's text harmless for a screen: no control characters, nothing that turns directions around, bounded. */
final class SafeText {
    /** Code points of a line. */
    static final int TITLE = 250;
    /** Code points of a text on a screen of its own. */
    static final int MESSAGE = 20_000;
    /** Code points of a text in a notification; newer systems cut at 1,024 themselves. */
    static final int SHOWN = 1_000;
    /** Marks that may sit on one letter: more of them reach into other lines. */
    private static final int MOST_MARKS = 8;
    private static final int MOST_BREAKS = 2;
    private static final String ELLIPSIS = "\u2026";

    private SafeText() {}

    /** In one line. */
    static String line(@Nullable String text, int most) {
        return clean(text, most, false);
    }

    /** With its line breaks. */
    static String text(@Nullable String text, int most) {
        return clean(text, most, true);
    }

    private static String clean(@Nullable String text, int most, boolean breaks) {
        if (text == null) {
            return "";
        }
        StringBuilder out = new StringBuilder(Math.min(text.length(), 2 * most));
        int count = 0;
        int marks = 0;
        int lineBreaks = 0;
        boolean space = true;
        for (int i = 0; i < text.length(); ) {
            int c = text.codePointAt(i);
            i += Character.charCount(c);
            if (c == '\r' && i < text.length() && text.charAt(i) == '\n') {
                continue;
            }
            boolean isBreak = c == '\n' || c == '\r' || c == 0x85 || c == 0x2028 || c == 0x2029 || c == 0x0b || c == 0x0c;
            if (isBreak && breaks) {
                if (out.length() == 0 || ++lineBreaks > MOST_BREAKS) {
                    continue;
                }
                c = '\n';
            } else if (isBreak || c == '\t' || Character.isSpaceChar(c)) {
                if (space && !breaks) {
                    continue;
                }
                c = c == 0xa0 || c == 0x202f || c == 0x3000 ? c : ' ';
            } else if (isHarmful(c)) {
                continue;
            } else {
                lineBreaks = 0;
            }
            marks = isMark(c) ? marks + 1 : 0;
            if (marks > MOST_MARKS) {
                continue;
            }
            if (count++ == most) {
                return out.append(ELLIPSIS).toString();
            }
            space = c == ' ';
            out.appendCodePoint(c);
        }
        int end = out.length();
        while (end > 0 && out.charAt(end - 1) <= ' ') {
            end--;
        }
        return out.substring(0, end);
    }

    private static boolean isMark(int c) {
        int type = Character.getType(c);
        return type == Character.NON_SPACING_MARK || type == Character.ENCLOSING_MARK;
    }

    /** Controls, halves of pairs, private notes, and what embeds, overrides or isolates a direction (UAX 9). */
    static boolean isHarmful(int c) {
        int type = Character.getType(c);
        return type == Character.CONTROL || type == Character.SURROGATE || c == 0xfeff || c >= 0xfff9 && c <= 0xfffc
                || c >= 0x202a && c <= 0x202e || c >= 0x2066 && c <= 0x2069 || c >= 0x206a && c <= 0x206f
                || c == 0x200e || c == 0x200f || c == 0x061c;
    }
}
