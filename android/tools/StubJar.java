import java.io.FileOutputStream;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.zip.ZipEntry;
import java.util.zip.ZipFile;
import java.util.zip.ZipOutputStream;
import org.objectweb.asm.AnnotationVisitor;
import org.objectweb.asm.ClassReader;
import org.objectweb.asm.ClassVisitor;
import org.objectweb.asm.ClassWriter;
import org.objectweb.asm.FieldVisitor;
import org.objectweb.asm.MethodVisitor;
import org.objectweb.asm.Opcodes;
import org.objectweb.asm.RecordComponentVisitor;
import org.objectweb.asm.Type;

/**
 * Makes the android.jar that the SDK would bring out of Android itself: {@code ANDROID_ALL.jar OUT.jar PREFIX...}, the
 * public and protected members of the packages that begin so, without code, as class files of Java 8.
 */
public final class StubJar {
    private static final int VISIBLE = Opcodes.ACC_PUBLIC | Opcodes.ACC_PROTECTED;

    private final Map<String, byte[]> classes = new TreeMap<>();
    /** The access of member classes as their outer class says it: the class file's own has no "protected". */
    private final Map<String, Integer> memberAccess = new HashMap<>();
    private final TreeSet<String> kept = new TreeSet<>();
    private final Map<String, String> constructors = new HashMap<>();

    public static void main(String[] args) throws IOException {
        StubJar jar = new StubJar();
        jar.read(args[0], Arrays.asList(args).subList(2, args.length));
        jar.choose();
        jar.write(args[1]);
    }

    private void read(String file, List<String> prefixes) throws IOException {
        try (ZipFile in = new ZipFile(file)) {
            for (ZipEntry entry : Collections.list(in.entries())) {
                String name = entry.getName();
                if (name.endsWith(".class") && prefixes.stream().anyMatch(name::startsWith)) {
                    classes.put(name.substring(0, name.length() - 6), in.getInputStream(entry).readAllBytes());
                }
            }
        }
        for (byte[] bytes : classes.values()) {
            new ClassReader(bytes).accept(new ClassVisitor(Opcodes.ASM9) {
                @Override
                public void visitInnerClass(String name, String outer, String inner, int access) {
                    memberAccess.put(name, inner == null ? 0 : access);
                }
            }, ClassReader.SKIP_CODE | ClassReader.SKIP_DEBUG | ClassReader.SKIP_FRAMES);
        }
    }

    /** What is visible, and whatever that extends. */
    private void choose() {
        for (Map.Entry<String, byte[]> entry : classes.entrySet()) {
            Integer access = memberAccess.get(entry.getKey());
            if (((access != null ? access : new ClassReader(entry.getValue()).getAccess()) & VISIBLE) != 0) {
                keep(entry.getKey());
            }
        }
    }

    private void keep(String name) {
        byte[] bytes = classes.get(name);
        if (bytes == null || !kept.add(name)) {
            return;
        }
        ClassReader reader = new ClassReader(bytes);
        keep(reader.getSuperName());
        for (String parent : reader.getInterfaces()) {
            keep(parent);
        }
        int dollar = name.lastIndexOf('$');
        if (dollar > 0) {
            keep(name.substring(0, dollar));
        }
    }

    private boolean known(String name) {
        return kept.contains(name) || !classes.containsKey(name) && (name.startsWith("java/") || name.startsWith("javax/"));
    }

    private boolean known(Type type) {
        switch (type.getSort()) {
            case Type.ARRAY:
                return known(type.getElementType());
            case Type.METHOD:
                return known(type.getReturnType()) && Arrays.stream(type.getArgumentTypes()).allMatch(this::known);
            case Type.OBJECT:
                return known(type.getInternalName());
            default:
                return true;
        }
    }

    private void write(String file) throws IOException {
        try (ZipOutputStream out = new ZipOutputStream(new FileOutputStream(file))) {
            for (String name : kept) {
                ClassWriter writer = new ClassWriter(ClassWriter.COMPUTE_MAXS);
                new ClassReader(classes.get(name)).accept(new Stub(writer), ClassReader.SKIP_DEBUG | ClassReader.SKIP_FRAMES);
                ZipEntry entry = new ZipEntry(name + ".class");
                entry.setTime(315532800000L);
                out.putNextEntry(entry);
                out.write(writer.toByteArray());
            }
        }
    }

    /** The shortest constructor's descriptor. */
    private String constructor(String name) {
        return constructors.computeIfAbsent(name, key -> {
            String[] best = {null};
            try {
                byte[] bytes = classes.get(key);
                ClassReader reader = bytes != null ? new ClassReader(bytes) : new ClassReader(key);
                reader.accept(new ClassVisitor(Opcodes.ASM9) {
                    @Override
                    public MethodVisitor visitMethod(int access, String method, String type, String signature, String[] thrown) {
                        boolean better = best[0] == null || (access & VISIBLE) != 0 && type.length() < best[0].length();
                        if (method.equals("<init>") && (access & Opcodes.ACC_PRIVATE) == 0 && better) {
                            best[0] = type;
                        }
                        return null;
                    }
                }, ClassReader.SKIP_CODE);
            } catch (IOException e) {
                throw new IllegalStateException(key, e);
            }
            return best[0] == null ? "()V" : best[0];
        });
    }

    /** One class on its way: what nobody outside may see is left out, methods only throw. */
    private final class Stub extends ClassVisitor {
        private String parent = "java/lang/Object";

        Stub(ClassVisitor out) {
            super(Opcodes.ASM9, out);
        }

        @Override
        public void visit(int version, int access, String name, String signature, String extended, String[] implemented) {
            boolean plain = known(extended) && !extended.equals("java/lang/Record");
            if (plain) {
                parent = extended;
            }
            List<String> interfaces = knownOf(implemented);
            boolean whole = plain && interfaces.size() == implemented.length;
            super.visit(Opcodes.V1_8, access & ~Opcodes.ACC_RECORD, name, whole ? signature : null, parent, interfaces.toArray(new String[0]));
        }

        private List<String> knownOf(String[] names) {
            List<String> result = new ArrayList<>();
            for (String name : names == null ? new String[0] : names) {
                if (known(name)) {
                    result.add(name);
                }
            }
            return result;
        }

        @Override
        public void visitInnerClass(String name, String outer, String inner, int access) {
            if (known(name)) {
                super.visitInnerClass(name, outer, inner, access);
            }
        }

        @Override
        public FieldVisitor visitField(int access, String name, String type, String signature, Object value) {
            if ((access & VISIBLE) != 0 && known(Type.getType(type))) {
                super.visitField(access, name, type, signature, value).visitEnd();
            }
            return null;
        }

        @Override
        public MethodVisitor visitMethod(int access, String name, String type, String signature, String[] thrown) {
            if ((access & VISIBLE) == 0 || (access & Opcodes.ACC_SYNTHETIC) != 0 || name.equals("<clinit>") || !known(Type.getMethodType(type))) {
                return null;
            }
            MethodVisitor method = super.visitMethod(access, name, type, signature, knownOf(thrown).toArray(new String[0]));
            if ((access & (Opcodes.ACC_ABSTRACT | Opcodes.ACC_NATIVE)) == 0) {
                code(method, name.equals("<init>"));
            }
            method.visitEnd();
            return null;
        }

        /** A constructor has to call its parent's, or no verifier takes it (nor does Robolectric). */
        private void code(MethodVisitor method, boolean constructor) {
            method.visitCode();
            if (constructor) {
                String type = constructor(parent);
                method.visitVarInsn(Opcodes.ALOAD, 0);
                for (Type argument : Type.getArgumentTypes(type)) {
                    method.visitInsn(zero(argument.getSort()));
                }
                method.visitMethodInsn(Opcodes.INVOKESPECIAL, parent, "<init>", type, false);
            }
            method.visitTypeInsn(Opcodes.NEW, "java/lang/RuntimeException");
            method.visitInsn(Opcodes.DUP);
            method.visitLdcInsn("Stub!");
            method.visitMethodInsn(Opcodes.INVOKESPECIAL, "java/lang/RuntimeException", "<init>", "(Ljava/lang/String;)V", false);
            method.visitInsn(Opcodes.ATHROW);
            method.visitMaxs(0, 0);
        }

        private int zero(int sort) {
            switch (sort) {
                case Type.LONG:
                    return Opcodes.LCONST_0;
                case Type.FLOAT:
                    return Opcodes.FCONST_0;
                case Type.DOUBLE:
                    return Opcodes.DCONST_0;
                case Type.ARRAY:
                case Type.OBJECT:
                    return Opcodes.ACONST_NULL;
                default:
                    return Opcodes.ICONST_0;
            }
        }

        @Override
        public void visitOuterClass(String owner, String name, String type) {
        }

        @Override
        public void visitNestHost(String host) {
        }

        @Override
        public void visitNestMember(String member) {
        }

        @Override
        public void visitPermittedSubclass(String subclass) {
        }

        @Override
        public AnnotationVisitor visitAnnotation(String type, boolean visible) {
            return null;
        }

        @Override
        public RecordComponentVisitor visitRecordComponent(String name, String type, String signature) {
            return null;
        }
    }
}
