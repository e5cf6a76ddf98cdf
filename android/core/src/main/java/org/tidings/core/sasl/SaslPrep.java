package org.tidings.core.sasl;

import java.text.Normalizer;

/**
 * Prepares names and passwords so that the same text gives the same bytes on every device (RFC 4013).
 *
 * <p>Printable ASCII, which is all that this client makes up itself, is taken as it is. Of other
 * text, spaces become U+0020, what RFC 3454 table B.1 maps to nothing goes, and NFKC by the
 * platform's Unicode is applied; what tables C and D forbid is refused. Characters that came to
 * Unicode after 3.2 are taken as the platform knows them, and unassigned ones are refused.
 */
public final class SaslPrep {
    private SaslPrep() {}

    public static String prepare(String text) throws SaslException {
        boolean plain = true;
        for (int i = 0; i < text.length(); i++) {
            plain &= text.charAt(i) >= ' ' && text.charAt(i) < 0x7f;
        }
        String prepared = plain ? text : Normalizer.normalize(map(text), Normalizer.Form.NFKC);
        if (prepared.isEmpty()) {
            throw new SaslException("nothing is left of the text");
        }
        if (!plain) {
            check(prepared);
        }
        return prepared;
    }

    private static String map(String text) throws SaslException {
        StringBuilder out = new StringBuilder();
        int c;
        for (int i = 0; i < text.length(); i += Character.charCount(c)) {
            c = text.codePointAt(i);
            boolean nothing = c == 0xad || c == 0x34f || c == 0x1806 || c >= 0x180b && c <= 0x180d
                    || c >= 0x200b && c <= 0x200d || c == 0x2060 || c >= 0xfe00 && c <= 0xfe0f || c == 0xfeff;
            if (c != ' ' && Character.getType(c) == Character.SPACE_SEPARATOR) {
                out.append(' ');
            } else if (!nothing) {
                out.appendCodePoint(c);
            }
        }
        return out.toString();
    }

    private static void check(String text) throws SaslException {
        boolean right = false;
        boolean left = false;
        int c;
        for (int i = 0; i < text.length(); i += Character.charCount(c)) {
            c = text.codePointAt(i);
            switch (Character.getType(c)) {
                case Character.CONTROL:
                case Character.FORMAT:
                case Character.LINE_SEPARATOR:
                case Character.PARAGRAPH_SEPARATOR:
                case Character.PRIVATE_USE:
                case Character.SURROGATE:
                case Character.UNASSIGNED:
                    throw new SaslException("a character that no password may have");
                default:
            }
            if (c == 0x340 || c == 0x341 || c >= 0x2ff0 && c <= 0x2ffb || c >= 0xfff9 && c <= 0xfffd) {
                throw new SaslException("a character that no password may have");
            }
            right |= isRight(c);
            left |= Character.getDirectionality(c) == Character.DIRECTIONALITY_LEFT_TO_RIGHT;
        }
        boolean framed = isRight(text.codePointAt(0)) && isRight(text.codePointBefore(text.length()));
        if (right && (left || !framed)) {
            throw new SaslException("text of both directions");
        }
    }

    private static boolean isRight(int c) {
        byte direction = Character.getDirectionality(c);
        return direction == Character.DIRECTIONALITY_RIGHT_TO_LEFT
                || direction == Character.DIRECTIONALITY_RIGHT_TO_LEFT_ARABIC;
    }
}
