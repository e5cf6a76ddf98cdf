import java.io.File;
import java.io.FileInputStream;
import java.util.Collections;
import java.util.HashSet;
import java.util.Set;
import org.codehaus.mojo.animal_sniffer.SignatureChecker;
import org.codehaus.mojo.animal_sniffer.logging.PrintWriterLogger;

/**
 * Says which classes use what an Android version does not have: {@code SIGNATURE FOLDER}, exit 1 if any does. What is
 * annotated with {@code RequiresApi} is called on newer versions only, and may.
 */
public final class ApiLevel {
    public static void main(String[] args) throws Exception {
        Set<String> own = new HashSet<>(Collections.singleton("org.tidings.*"));
        SignatureChecker checker;
        try (FileInputStream signature = new FileInputStream(args[0])) {
            checker = new SignatureChecker(signature, own, new PrintWriterLogger(System.out));
        }
        checker.setSourcePath(Collections.emptyList());
        checker.setAnnotationTypes(Collections.singleton("org.tidings.client.RequiresApi"));
        checker.process(new File(args[1]));
        System.exit(checker.isSignatureBroken() ? 1 : 0);
    }
}
