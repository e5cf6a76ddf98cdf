package org.tidings.core.net;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.net.IDN;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/** Writes a question for SRV records and reads its answer (RFC 1035 section 4), which may be anybody's bytes. */
final class DnsMessage {
    private static final int SRV = 33;
    private static final int IN = 1;
    private static final int MOST_RECORDS = 64;
    private static final int MOST_JUMPS = 32;

    private final byte[] bytes;
    private int at;

    private DnsMessage(byte[] bytes) {
        this.bytes = bytes;
    }

    static byte[] question(int id, String name) throws IOException {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        for (int word : new int[] {id, 0x0100, 1, 0, 0, 0}) {
            out.write(word >> 8);
            out.write(word);
        }
        for (String label : ascii(name).split("\\.")) {
            byte[] raw = label.getBytes(StandardCharsets.US_ASCII);
            if (raw.length == 0 || raw.length > 63) {
                throw new IOException(name + " is no name for DNS");
            }
            out.write(raw.length);
            out.write(raw, 0, raw.length);
        }
        for (int b : new int[] {0, 0, SRV, 0, IN}) {
            out.write(b);
        }
        return out.toByteArray();
    }

    private static String ascii(String name) throws IOException {
        try {
            // The labels with an underscore are no part of an internationalised name.
            int domain = name.lastIndexOf("._tcp.") + "._tcp.".length();
            return domain < 6 ? IDN.toASCII(name) : name.substring(0, domain) + IDN.toASCII(name.substring(domain));
        } catch (IllegalArgumentException e) {
            throw new IOException(name + " is no name for DNS");
        }
    }

    /** Whether bytes are an answer to that very question; what is not is passed over, for anybody may send it. */
    static boolean answers(byte[] question, byte[] answer) {
        if (answer.length < question.length || (answer[2] & 0x80) == 0 || word(answer, 4) != 1) {
            return false;
        }
        for (int i = 0; i < question.length; i++) {
            boolean counted = i < 2 || i >= 12;
            if (counted && lower(question[i]) != lower(answer[i])) {
                return false;
            }
        }
        return true;
    }

    private static int lower(byte b) {
        return b >= 'A' && b <= 'Z' ? b + 32 : b;
    }

    /** Reads the records of an answer to that question. */
    static List<SrvRecord> records(byte[] question, byte[] answer) throws IOException {
        int code = answer[3] & 15;
        if (code == 3) {
            return new ArrayList<>();
        }
        if (code != 0) {
            throw new IOException("the name server answers with error " + code);
        }
        DnsMessage message = new DnsMessage(answer);
        message.at = question.length;
        List<SrvRecord> records = new ArrayList<>();
        boolean truncated = (answer[2] & 2) != 0;
        for (int left = Math.min(word(answer, 6), MOST_RECORDS); left > 0; left--) {
            try {
                message.record(records);
            } catch (IOException e) {
                if (!truncated) {
                    throw e;
                }
                break;
            }
        }
        return records;
    }

    private void record(List<SrvRecord> into) throws IOException {
        name();
        int type = word();
        int cls = word();
        at += 4;
        int length = word();
        int end = at + length;
        if (end > bytes.length) {
            throw broken();
        }
        if (type == SRV && cls == IN) {
            int priority = word();
            int weight = word();
            int port = word();
            String target = name();
            if (port > 0 || target.equals(".")) {
                into.add(new SrvRecord(priority, weight, port, target));
            }
        }
        at = end;
    }

    private int word() throws IOException {
        if (at + 2 > bytes.length) {
            throw broken();
        }
        at += 2;
        return word(bytes, at - 2);
    }

    private static int word(byte[] bytes, int at) {
        return (bytes[at] & 255) << 8 | bytes[at + 1] & 255;
    }

    /** A name, whose end may stand elsewhere in the message. */
    private String name() throws IOException {
        StringBuilder name = new StringBuilder();
        int here = at;
        int after = -1;
        for (int jumps = 0; ; ) {
            int length = byteAt(here++);
            if (length == 0) {
                break;
            } else if (length >= 0xc0) {
                after = after < 0 ? here + 1 : after;
                here = (length & 0x3f) << 8 | byteAt(here);
                if (++jumps > MOST_JUMPS) {
                    throw broken();
                }
            } else if (length > 63 || name.length() + length > 253) {
                throw broken();
            } else {
                for (int end = here + length; here < end; here++) {
                    int c = byteAt(here);
                    if (c <= ' ' || c >= 0x7f || c == '/') {
                        throw broken();
                    }
                    name.append((char) c);
                }
                name.append('.');
            }
        }
        at = after < 0 ? here : after;
        return name.length() == 0 ? "." : name.substring(0, name.length() - 1).toLowerCase(Locale.ROOT);
    }

    private int byteAt(int index) throws IOException {
        if (index >= bytes.length) {
            throw broken();
        }
        return bytes[index] & 255;
    }

    private static IOException broken() {
        return new IOException("the name server's answer makes no sense");
    }
}
