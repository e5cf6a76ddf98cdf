import java.io.File;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import javax.xml.parsers.DocumentBuilderFactory;
import javax.xml.transform.OutputKeys;
import javax.xml.transform.Transformer;
import javax.xml.transform.TransformerFactory;
import javax.xml.transform.dom.DOMSource;
import javax.xml.transform.stream.StreamResult;
import org.w3c.dom.Attr;
import org.w3c.dom.Document;
import org.w3c.dom.Element;
import org.w3c.dom.Node;
import org.w3c.dom.NodeList;

/**
 * Puts a library's manifest into an app's: {@code APP.xml LIBRARY.xml OUT.xml}. It does of Google's merger what this
 * library needs: what the app does not say itself is taken over, class names are written in full, and
 * {@code ${applicationId}} is the app's package.
 */
public final class MergeManifests {
    private static final String ANDROID = "http://schemas.android.com/apk/res/android";

    public static void main(String[] args) throws Exception {
        Document app = parse(args[0]);
        Document library = parse(args[1]);
        String appPackage = app.getDocumentElement().getAttribute("package");
        expand(library.getDocumentElement(), library.getDocumentElement().getAttribute("package"), appPackage);
        expand(app.getDocumentElement(), appPackage, appPackage);
        take(app, library.getDocumentElement(), app.getDocumentElement());
        Transformer out = TransformerFactory.newInstance().newTransformer();
        out.setOutputProperty(OutputKeys.INDENT, "yes");
        out.transform(new DOMSource(app), new StreamResult(new File(args[2])));
    }

    private static Document parse(String file) throws Exception {
        DocumentBuilderFactory factory = DocumentBuilderFactory.newInstance();
        factory.setNamespaceAware(true);
        return factory.newDocumentBuilder().parse(new File(file));
    }

    private static void expand(Element element, String own, String app) {
        for (int i = 0; i < element.getAttributes().getLength(); i++) {
            Attr attribute = (Attr) element.getAttributes().item(i);
            String value = attribute.getValue().replace("${applicationId}", app);
            boolean named = attribute.getLocalName().equals("name") || attribute.getLocalName().equals("parentActivityName");
            attribute.setValue(named && value.startsWith(".") ? own + value : value);
        }
        for (Element child : children(element)) {
            expand(child, own, app);
        }
    }

    private static void take(Document app, Element from, Element to) {
        Set<String> known = new HashSet<>();
        for (Element child : children(to)) {
            known.add(key(child));
        }
        for (Element child : children(from)) {
            if (child.getTagName().equals("application")) {
                take(app, child, children(to).stream().filter(e -> e.getTagName().equals("application")).findFirst().orElseThrow());
            } else if (!child.getTagName().equals("uses-sdk") && known.add(key(child))) {
                to.insertBefore(app.importNode(child, true), child.getTagName().equals("uses-permission") ? to.getFirstChild() : null);
            }
        }
    }

    /** Elements that mean the same thing have the same; those without a name ({@code queries}) are all taken. */
    private static String key(Element element) {
        String name = element.getAttributeNS(ANDROID, "name");
        return element.getTagName() + " " + (name.isEmpty() ? "@" + System.identityHashCode(element) : name);
    }

    private static List<Element> children(Element element) {
        List<Element> result = new ArrayList<>();
        NodeList nodes = element.getChildNodes();
        for (int i = 0; i < nodes.getLength(); i++) {
            Node node = nodes.item(i);
            if (node instanceof Element) {
                result.add((Element) node);
            }
        }
        return result;
    }
}
