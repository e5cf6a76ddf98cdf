package org.tidings.demo;

/** Shows what the library hands out as it came (addresses, data): in one line, bounded, nothing invisible in it. */
final class Harmless {
    private static final int MOST = 1_000;

    private Harmless() {}

    static String line(String text) {
        StringBuilder out = new StringBuilder();
        for (int i = 0; i < text.length() && out.length() < MOST; ) {
            int c = text.codePointAt(i);
            i += Character.charCount(c);
            int type = Character.getType(c);
            boolean unseen = type == Character.CONTROL || type == Character.FORMAT || type == Character.SURROGATE
                    || type == Character.LINE_SEPARATOR || type == Character.PARAGRAPH_SEPARATOR;
            out.appendCodePoint(unseen ? 0xfffd : c);
        }
        return out.length() >= MOST ? out + "\u2026" : out.toString();
    }
}
