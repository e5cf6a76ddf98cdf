import java.io.ByteArrayOutputStream;
import java.io.FileOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Map;
import java.util.TreeMap;
import java.util.zip.CRC32;
import java.util.zip.ZipEntry;
import java.util.zip.ZipFile;
import java.util.zip.ZipOutputStream;

/**
 * Makes resources of the framework that an older aapt2 can link against: {@code ANDROID_ALL.jar OUT.apk}. Since API 35
 * the table has types with 16-bit offsets and compact entries; they become 32-bit offsets and full entries.
 */
public final class FrameworkResources {
    private static final int PACKAGE = 0x0200;
    private static final int TYPE = 0x0201;
    private static final int SPARSE = 1;
    private static final int SHORT_OFFSETS = 2;
    private static final int COMPLEX = 1;
    private static final int COMPACT = 8;

    public static void main(String[] args) throws IOException {
        try (ZipFile jar = new ZipFile(args[0]); ZipOutputStream out = new ZipOutputStream(new FileOutputStream(args[1]))) {
            put(out, "AndroidManifest.xml", read(jar, "AndroidManifest.xml"));
            put(out, "resources.arsc", nested(little(read(jar, "resources.arsc")), 0));
        }
    }

    private static byte[] read(ZipFile jar, String name) throws IOException {
        return jar.getInputStream(jar.getEntry(name)).readAllBytes();
    }

    private static void put(ZipOutputStream out, String name, byte[] bytes) throws IOException {
        ZipEntry entry = new ZipEntry(name);
        CRC32 crc = new CRC32();
        crc.update(bytes);
        entry.setMethod(ZipEntry.STORED);
        entry.setSize(bytes.length);
        entry.setCrc(crc.getValue());
        out.putNextEntry(entry);
        out.write(bytes);
    }

    private static ByteBuffer little(byte[] bytes) {
        return ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
    }

    /** A chunk that consists of chunks (the table, a package), with its types rewritten. */
    private static byte[] nested(ByteBuffer in, int at) {
        int header = in.getShort(at + 2);
        int end = at + in.getInt(at + 4);
        ByteArrayOutputStream body = new ByteArrayOutputStream();
        for (int next = at + header; next < end; next += in.getInt(next + 4)) {
            int kind = in.getShort(next) & 0xffff;
            byte[] chunk = kind == PACKAGE ? nested(in, next) : kind == TYPE ? type(in, next) : slice(in, next, in.getInt(next + 4));
            body.write(chunk, 0, chunk.length);
        }
        ByteBuffer out = little(new byte[header + body.size()]);
        out.put(slice(in, at, header)).put(body.toByteArray());
        out.putInt(4, out.capacity());
        return out.array();
    }

    private static byte[] slice(ByteBuffer in, int at, int length) {
        byte[] bytes = new byte[length];
        System.arraycopy(in.array(), at, bytes, 0, length);
        return bytes;
    }

    private static byte[] type(ByteBuffer in, int at) {
        int header = in.getShort(at + 2);
        int start = in.getInt(at + 16);
        TreeMap<Integer, Integer> offsets = offsets(in, at, header);
        boolean sparse = (in.get(at + 9) & SPARSE) != 0;
        int count = !sparse ? in.getInt(at + 12) : offsets.isEmpty() ? 0 : offsets.lastKey() + 1;
        ByteBuffer index = little(new byte[4 * count]);
        for (int i = 0; i < count; i++) {
            index.putInt(4 * i, -1);
        }
        ByteArrayOutputStream entries = new ByteArrayOutputStream();
        for (Map.Entry<Integer, Integer> offset : offsets.entrySet()) {
            index.putInt(4 * offset.getKey(), entries.size());
            byte[] entry = entry(in, at + start + offset.getValue());
            entries.write(entry, 0, entry.length);
        }
        ByteBuffer out = little(new byte[header + index.capacity() + entries.size()]);
        out.put(slice(in, at, header)).put(index.array()).put(entries.toByteArray());
        out.put(9, (byte) 0);
        out.putInt(4, out.capacity()).putInt(12, count).putInt(16, header + index.capacity());
        return out.array();
    }

    /** Where each entry is, by its index. */
    private static TreeMap<Integer, Integer> offsets(ByteBuffer in, int at, int header) {
        TreeMap<Integer, Integer> offsets = new TreeMap<>();
        int flags = in.get(at + 9);
        for (int i = 0; i < in.getInt(at + 12); i++) {
            if ((flags & SPARSE) != 0) {
                offsets.put(in.getShort(at + header + 4 * i) & 0xffff, 4 * (in.getShort(at + header + 4 * i + 2) & 0xffff));
            } else if ((flags & SHORT_OFFSETS) != 0) {
                int offset = in.getShort(at + header + 2 * i) & 0xffff;
                if (offset != 0xffff) {
                    offsets.put(i, 4 * offset);
                }
            } else if (in.getInt(at + header + 4 * i) != -1) {
                offsets.put(i, in.getInt(at + header + 4 * i));
            }
        }
        return offsets;
    }

    private static byte[] entry(ByteBuffer in, int at) {
        int first = in.getShort(at) & 0xffff;
        int flags = in.getShort(at + 2) & 0xffff;
        if ((flags & COMPACT) != 0) {
            ByteBuffer full = little(new byte[16]);
            full.putShort((short) 8).putShort((short) (flags & 0xff & ~COMPACT)).putInt(first);
            full.putShort((short) 8).put((byte) 0).put((byte) (flags >> 8)).putInt(in.getInt(at + 4));
            return full.array();
        }
        return slice(in, at, (flags & COMPLEX) != 0 ? first + 12 * in.getInt(at + 12) : first + 8);
    }
}
