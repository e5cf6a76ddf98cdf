import java.util.HashMap;
import java.util.Map;
import java.util.Scanner;

import org.jivesoftware.smack.ConnectionConfiguration;
import org.jivesoftware.smack.PacketCollector;
import org.jivesoftware.smack.PacketListener;
import org.jivesoftware.smack.XMPPConnection;
import org.jivesoftware.smack.XMPPException;
import org.jivesoftware.smack.filter.PacketIDFilter;
import org.jivesoftware.smack.filter.PacketTypeFilter;
import org.jivesoftware.smack.packet.IQ;
import org.jivesoftware.smack.packet.Packet;
import org.jivesoftware.smack.packet.Registration;
import org.jivesoftware.smack.provider.IQProvider;
import org.jivesoftware.smack.provider.ProviderManager;
import org.xmlpull.v1.XmlPullParser;

/**
 * A device as the androidpn client of 2010 was one: no SASL, TLS required, an account made up and registered
 * in-band, the resource AndroidpnClient, and notifications as IQs that it never answers.
 *
 * Arguments: host, port, user name, password, "register" or "login". Writes one JSON object a line.
 * Ends without a word, as a phone that loses its network, when its standard input ends; the line
 * "logout" makes it leave politely.
 */
public class AndroidpnDevice {
    static final String NAMESPACE = "androidpn:iq:notification";
    static final String RESOURCE = "AndroidpnClient";

    /** The notification's five fields. */
    public static class NotificationIQ extends IQ {
        final Map<String, String> fields = new HashMap<String, String>();

        @Override
        public String getChildElementXML() {
            return "<notification xmlns=\"" + NAMESPACE + "\"/>";
        }
    }

    /** Reads it, child by child. */
    public static class NotificationProvider implements IQProvider {
        public IQ parseIQ(XmlPullParser parser) throws Exception {
            NotificationIQ notification = new NotificationIQ();
            for (int event = parser.next(); ; event = parser.next()) {
                if (event == XmlPullParser.START_TAG) {
                    String name = parser.getName();
                    notification.fields.put(name, parser.nextText());
                } else if (event == XmlPullParser.END_TAG && "notification".equals(parser.getName())) {
                    return notification;
                }
            }
        }
    }

    public static void main(String[] arguments) throws Exception {
        String host = arguments[0];
        int port = Integer.parseInt(arguments[1]);
        String username = arguments[2];
        String password = arguments[3];
        boolean register = "register".equals(arguments[4]);

        ConnectionConfiguration configuration = new ConnectionConfiguration(host, port);
        configuration.setSecurityMode(ConnectionConfiguration.SecurityMode.required);
        configuration.setSASLAuthenticationEnabled(false);
        configuration.setCompressionEnabled(false);
        configuration.setSelfSignedCertificateEnabled(true);
        configuration.setReconnectionAllowed(false);

        XMPPConnection connection = new XMPPConnection(configuration);
        connection.connect();
        say("connected", "tls", String.valueOf(connection.isUsingTLS()));
        ProviderManager.getInstance().addIQProvider("notification", NAMESPACE, new NotificationProvider());

        if (register) {
            Registration registration = new Registration();
            registration.setType(IQ.Type.SET);
            Map<String, String> attributes = new HashMap<String, String>();
            attributes.put("username", username);
            attributes.put("password", password);
            registration.setAttributes(attributes);
            PacketCollector answers =
                connection.createPacketCollector(new PacketIDFilter(registration.getPacketID()));
            connection.sendPacket(registration);
            IQ answer = (IQ) answers.nextResult(20000);
            answers.cancel();
            if (answer == null || answer.getType() != IQ.Type.RESULT) {
                say("refused", "stage", "register");
                System.exit(3);
            }
            say("registered");
        }

        // Before the login, which sends the presence that lets the server deliver.
        connection.addPacketListener(new PacketListener() {
            public void processPacket(Packet packet) {
                Map<String, String> fields = ((NotificationIQ) packet).fields;
                say("notification", "id", fields.get("id"), "apiKey", fields.get("apiKey"), "title",
                    fields.get("title"), "message", fields.get("message"), "uri", fields.get("uri"));
            }
        }, new PacketTypeFilter(NotificationIQ.class));
        try {
            connection.login(username, password, RESOURCE);
        } catch (XMPPException refused) {
            say("refused", "stage", "login", "condition",
                refused.getXMPPError() == null ? "" : refused.getXMPPError().getCondition());
            System.exit(3);
        }
        say("online", "jid", connection.getUser());

        Scanner orders = new Scanner(System.in);
        while (orders.hasNextLine()) {
            if ("logout".equals(orders.nextLine().trim())) {
                connection.disconnect();
                break;
            }
        }
        Runtime.getRuntime().halt(0);
    }

    static synchronized void say(String event, String... pairs) {
        StringBuilder line = new StringBuilder("{\"event\":").append(quoted(event));
        for (int i = 0; i + 1 < pairs.length; i += 2) {
            line.append(',').append(quoted(pairs[i])).append(':').append(quoted(pairs[i + 1]));
        }
        System.out.println(line.append('}'));
        System.out.flush();
    }

    static String quoted(String text) {
        if (text == null) {
            return "null";
        }
        StringBuilder out = new StringBuilder("\"");
        for (char c : text.toCharArray()) {
            if (c == '"' || c == '\\') {
                out.append('\\').append(c);
            } else if (c < 0x20 || c > 0x7e) {
                out.append(String.format("\\u%04x", (int) c));
            } else {
                out.append(c);
            }
        }
        return out.append('"').toString();
    }
}
