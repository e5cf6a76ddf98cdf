import java.io.FileOutputStream;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collections;
import java.util.HashMap;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.zip.ZipEntry;
import java.util.zip.ZipFile;
import java.util.zip.ZipOutputStream;
import org.objectweb.asm.ClassReader;
import org.objectweb.asm.ClassVisitor;
import org.objectweb.asm.ClassWriter;
import org.objectweb.asm.Opcodes;

/**
 * Makes what enjarify writes usable in a JVM: {@code IN.jar DEXDUMP.txt OUT.jar}. Class files of Java 8, for interfaces
 * have methods with code, and with the generic signatures that {@code dexdump -a} shows and enjarify leaves out.
 */
public final class FixJar {
    private static final Pattern CLASS = Pattern.compile("\\s*Class descriptor\\s*: 'L(.*);'");
    private static final Pattern QUOTED = Pattern.compile("\"((?:[^\"\\\\]|\\\\.)*)\"");

    public static void main(String[] args) throws IOException {
        Map<String, String> signatures = signatures(Path.of(args[1]));
        try (ZipFile in = new ZipFile(args[0]); ZipOutputStream out = new ZipOutputStream(new FileOutputStream(args[2]))) {
            for (ZipEntry entry : Collections.list(in.entries())) {
                byte[] bytes = in.getInputStream(entry).readAllBytes();
                out.putNextEntry(new ZipEntry(entry.getName()));
                out.write(entry.getName().endsWith(".class") ? fix(bytes, signatures) : bytes);
            }
        }
    }

    private static byte[] fix(byte[] bytes, Map<String, String> signatures) {
        ClassWriter writer = new ClassWriter(0);
        new ClassReader(bytes).accept(new ClassVisitor(Opcodes.ASM9, writer) {
            @Override
            public void visit(int version, int access, String name, String signature, String parent, String[] interfaces) {
                super.visit(Opcodes.V1_8, access, name, signatures.getOrDefault(name, signature), parent, interfaces);
            }
        }, 0);
        return writer.toByteArray();
    }

    /** The signature stands among the annotations of a class, and those before its name. */
    private static Map<String, String> signatures(Path dump) throws IOException {
        Map<String, String> result = new HashMap<>();
        String signature = null;
        boolean ofClass = false;
        for (String line : Files.readAllLines(dump)) {
            Matcher name = CLASS.matcher(line);
            if (line.startsWith("Class #") && line.contains("annotations")) {
                signature = null;
            } else if (line.startsWith("Annotations on")) {
                ofClass = line.trim().equals("Annotations on class");
            } else if (ofClass && line.contains("dalvik/annotation/Signature")) {
                StringBuilder whole = new StringBuilder();
                for (Matcher part = QUOTED.matcher(line); part.find(); ) {
                    whole.append(part.group(1));
                }
                signature = whole.toString();
            } else if (name.matches()) {
                if (signature != null) {
                    result.put(name.group(1), signature);
                }
                signature = null;
            }
        }
        return result;
    }
}
