package org.tidings.core.testing;

import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Base64;
import java.util.Deque;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Consumer;
import javax.crypto.Mac;
import javax.crypto.SecretKeyFactory;
import javax.crypto.spec.PBEKeySpec;
import javax.crypto.spec.SecretKeySpec;
import org.tidings.core.stream.Ns;
import org.tidings.core.xml.Element;
import org.tidings.core.xml.XmlException;
import org.tidings.core.xml.XmlLimits;
import org.tidings.core.xml.XmlReader;

/** A push server in memory, behind TLS: accounts, SCRAM, sessions that go on, and notifications until acknowledged. */
public final class FakeServer {
    private static final byte[] SALT = "salt and pepper!".getBytes(StandardCharsets.US_ASCII);

    private static final Map<String, byte[]> SALTED = new ConcurrentHashMap<>();

    /** What a session is to the server. */
    private static final class Session {
        final String id;
        final String user;
        int received;
        int acknowledged;
        final Deque<Element> sent = new ArrayDeque<>();

        Session(String id, String user) {
            this.id = id;
            this.user = user;
        }
    }

    public final String domain = "push.example.org";
    public final Map<String, String> accounts = new LinkedHashMap<>();
    public final Set<String> topics = new LinkedHashSet<>();
    public final List<String> opened = new ArrayList<>();
    /** Not acknowledged yet, in order. */
    public final Map<String, Element> pending = new LinkedHashMap<>();
    public final List<String> tokens = new ArrayList<>();
    public boolean sasl2 = true;
    public boolean management = true;
    public boolean registration = true;
    public boolean tokenFeature = true;
    public String token;
    /** The name that the token is for alone, or null. */
    public String invited;
    public int logins;
    public int resumptions;
    /** Takes what comes and says nothing. */
    public boolean deaf;
    /** Changes what is said before it is. */
    public Consumer<List<byte[]>> tamper = said -> {};

    private final Map<String, Session> sessions = new LinkedHashMap<>();
    private Connection current;
    private int ids;

    /** Hands a notification in. */
    public void push(String id, String inner) {
        Element notification = new Element("notification", Ns.PUSH).with("id", id).with("priority", "normal").withField("title", inner);
        pending.put(id, notification);
        if (current != null && current.session != null) {
            current.deliver(id, notification);
        }
    }

    public void forgetSessions() {
        sessions.clear();
    }

    public Connection connect(Consumer<byte[]> out) {
        current = new Connection(out);
        return current;
    }

    /** The other end of one connection. */
    public final class Connection implements XmlReader.Handler {
        private final Consumer<byte[]> out;
        private final XmlReader reader = new XmlReader(XmlLimits.CLIENT);
        private String profile;
        private String user;
        private String clientFirstBare;
        private String serverFirst;
        private byte[] salted;
        private Element authenticate;
        private boolean presented;
        private Session session;
        public boolean ended;

        Connection(Consumer<byte[]> out) {
            this.out = out;
        }

        public void receive(byte[] bytes) {
            try {
                reader.read(bytes, 0, bytes.length, this);
            } catch (XmlException e) {
                throw new AssertionError(new String(bytes, StandardCharsets.UTF_8), e);
            }
        }

        public void say(String text) {
            if (!deaf) {
                List<byte[]> said = new ArrayList<>();
                said.add(text.getBytes(StandardCharsets.UTF_8));
                tamper.accept(said);
                for (byte[] bytes : said) {
                    out.accept(bytes);
                }
            }
        }

        private void say(Element element) {
            say(element.toString());
        }

        private void stanza(Element element, Session of) {
            of.sent.addLast(element);
            say(element);
        }

        @Override
        public void opened(Element header) {
            String mechanisms = "<mechanism>SCRAM-SHA-256</mechanism><mechanism>SCRAM-SHA-256-PLUS</mechanism>";
            StringBuilder features = new StringBuilder("<?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream='"
                    + Ns.STREAM + "' from='" + domain + "' id='1' version='1.0'><stream:features>");
            if (user == null) {
                features.append("<mechanisms xmlns='" + Ns.SASL + "'>").append(mechanisms).append("</mechanisms>");
                features.append("<sasl-channel-binding xmlns='" + Ns.CHANNEL_BINDING + "'><channel-binding type='tls-server-end-point'/></sasl-channel-binding>");
                if (sasl2) {
                    features.append("<authentication xmlns='" + Ns.SASL2 + "'>").append(mechanisms).append("<inline><sm xmlns='" + Ns.SM
                            + "'/><bind xmlns='" + Ns.BIND2 + "'><inline><feature var='" + Ns.SM + "'/></inline></bind></inline></authentication>");
                }
                if (registration) {
                    features.append("<register xmlns='" + Ns.REGISTER_FEATURE + "'/>");
                    features.append(tokenFeature ? "<register xmlns='" + Ns.PRE_AUTH_FEATURE + "'/>" : "");
                }
            } else {
                features.append("<bind xmlns='" + Ns.BIND + "'/>").append(management ? "<sm xmlns='" + Ns.SM + "'/>" : "");
                features.append("<csi xmlns='" + Ns.CSI + "'/>");
            }
            say(features.append("</stream:features>").toString());
        }

        @Override
        public void ended() {
            ended = true;
        }

        @Override
        public void stanza(Element element) {
            switch (element.name()) {
                case "auth":
                case "authenticate": first(element); break;
                case "response": last(element); break;
                case "resume": resume(element, true); break;
                case "enable": say(enabled()); break;
                case "r": say(new Element("a", Ns.SM).with("h", Integer.toString(session.received))); break;
                case "a": acknowledge(Integer.parseInt(element.attribute("h"))); break;
                case "iq": iq(element); break;
                case "presence": count(); online(element); break;
                case "message": count(); message(element); break;
                default:
            }
        }

        private void count() {
            if (session != null) {
                session.received++;
            }
        }

        private void message(Element message) {
            Element displayed = message.child("displayed", Ns.MARKERS);
            Element received = message.child("received", Ns.RECEIPTS);
            if (displayed != null) {
                opened.add(displayed.attribute("id"));
            }
            if (received != null) {
                pending.remove(received.attribute("id"));
            }
        }

        private void online(Element presence) {
            if (presence.attribute("type") == null) {
                for (Map.Entry<String, Element> entry : new ArrayList<>(pending.entrySet())) {
                    deliver(entry.getKey(), entry.getValue());
                }
            }
        }

        void deliver(String id, Element notification) {
            stanza(new Element("message", Ns.CLIENT).with("type", "headline").with("id", id).with("from", domain)
                    .with(notification).with(new Element("request", Ns.RECEIPTS)), session);
        }

        private void acknowledge(int h) {
            if (h < session.acknowledged || h > session.acknowledged + session.sent.size()) {
                // XEP-0198 section 4: the session is over.
                sessions.remove(session.id);
                say("<stream:error><undefined-condition xmlns='" + Ns.STREAMS + "'/><handled-count-too-high xmlns='" + Ns.SM
                        + "'/></stream:error></stream:stream>");
                return;
            }
            for (; session.acknowledged < h; session.acknowledged++) {
                Element done = session.sent.removeFirst();
                if (done.name().equals("message")) {
                    pending.remove(done.attribute("id"));
                }
            }
        }

        private void iq(Element iq) {
            boolean inSession = session != null;
            count();
            Element answer = new Element("iq", Ns.CLIENT).with("type", "result").with("id", iq.attribute("id"));
            if (iq.children().isEmpty() || !"set".equals(iq.attribute("type")) && !"get".equals(iq.attribute("type"))) {
                return;
            }
            Element payload = iq.children().get(0);
            if (payload.is("preauth", Ns.PRE_AUTH)) {
                tokens.add(payload.attribute("token"));
                presented = token != null && token.equals(payload.attribute("token"));
                answer = presented ? answer : error(iq, "cancel", "item-not-found");
            } else if (payload.is("query", Ns.REGISTER)) {
                String name = payload.childText("username", Ns.REGISTER);
                if ("get".equals(iq.attribute("type"))) {
                    boolean used = invited != null && accounts.containsKey(invited);
                    say(used ? error(iq, "auth", "forbidden")
                            : answer.with(new Element("query", Ns.REGISTER).withField("username", invited == null ? "" : invited)));
                    return;
                }
                String key = payload.childText("key", Ns.REGISTER);
                boolean allowed = token == null || presented || token.equals(key);
                if (invited != null && !invited.equals(name)) {
                    answer = error(iq, "modify", "not-acceptable");
                } else if (!allowed) {
                    answer = error(iq, "auth", "forbidden");
                } else if (accounts.containsKey(name)) {
                    answer = error(iq, "cancel", "conflict");
                } else {
                    accounts.put(name, payload.childText("password", Ns.REGISTER));
                }
            } else if (payload.is("bind", Ns.BIND)) {
                session = new Session("s" + ++ids, user);
                answer.with(new Element("bind", Ns.BIND).withField("jid", user + "@" + domain + "/x"));
                say(answer);
                return;
            } else if (payload.name().equals("subscribe")) {
                topics.add(payload.attribute("topic"));
            } else if (payload.name().equals("unsubscribe")) {
                topics.remove(payload.attribute("topic"));
            } else if (payload.name().equals("subscriptions")) {
                Element list = new Element("subscriptions", Ns.PUSH);
                topics.forEach(topic -> list.withField("topic", topic));
                answer.with(list);
            }
            if (inSession) {
                stanza(answer, session);
            } else {
                say(answer);
            }
        }

        private Element error(Element iq, String type, String condition) {
            return new Element("iq", Ns.CLIENT).with("type", "error").with("id", iq.attribute("id")).with(
                    new Element("error", Ns.CLIENT).with("type", type).with(new Element(condition, Ns.STANZAS)));
        }

        private void first(Element element) {
            profile = element.ns();
            authenticate = element;
            String initial = profile.equals(Ns.SASL2) ? element.childText("initial-response", Ns.SASL2) : element.text();
            String first = new String(Base64.getDecoder().decode(initial), StandardCharsets.UTF_8);
            clientFirstBare = first.substring(first.indexOf(",,") + 2);
            user = clientFirstBare.substring(2, clientFirstBare.indexOf(",r="));
            String nonce = clientFirstBare.substring(clientFirstBare.indexOf(",r=") + 3) + "server";
            serverFirst = "r=" + nonce + ",s=" + Base64.getEncoder().encodeToString(SALT) + ",i=4096";
            say(new Element("challenge", profile).withText(base64(serverFirst)));
        }

        private void last(Element element) {
            String last = new String(Base64.getDecoder().decode(element.text()), StandardCharsets.UTF_8);
            String without = last.substring(0, last.indexOf(",p="));
            String message = clientFirstBare + "," + serverFirst + "," + without;
            String password = accounts.get(user);
            byte[] proof = Base64.getDecoder().decode(last.substring(last.indexOf(",p=") + 3));
            if (password == null || !proves(password, proof, message)) {
                user = null;
                say("<failure xmlns='" + profile + "'><not-authorized xmlns='" + Ns.SASL + "'/></failure>");
                return;
            }
            logins++;
            String signature = "v=" + Base64.getEncoder().encodeToString(hmac(hmac(salted, "Server Key"), message));
            if (profile.equals(Ns.SASL)) {
                say(new Element("success", profile).withText(base64(signature)));
                reader.restart();
                return;
            }
            Element success = new Element("success", profile).withField("additional-data", base64(signature))
                    .withField("authorization-identifier", user + "@" + domain + "/x");
            Element resume = authenticate.child("resume", Ns.SM);
            Session old = resume == null ? null : sessions.get(resume.attribute("previd"));
            String after = "<stream:features><csi xmlns='" + Ns.CSI + "'/></stream:features>";
            if (old != null) {
                say(success.with(new Element("resumed", Ns.SM).with("previd", old.id).with("h", Integer.toString(old.received))) + after);
                resume(resume, false);
                return;
            }
            session = new Session("s" + ++ids, user);
            success.with(resume == null ? null : new Element("failed", Ns.SM));
            say(success.with(new Element("bound", Ns.BIND2).with(management ? enabled() : null)) + after);
        }

        private Element enabled() {
            sessions.put(session.id, session);
            return new Element("enabled", Ns.SM).with("id", session.id).with("resume", "true");
        }

        private void resume(Element resume, boolean answer) {
            Session old = sessions.get(resume.attribute("previd"));
            if (old == null) {
                say(new Element("failed", Ns.SM));
                return;
            }
            session = old;
            resumptions++;
            if (answer) {
                say(new Element("resumed", Ns.SM).with("previd", old.id).with("h", Integer.toString(old.received)));
            }
            acknowledge(Integer.parseInt(resume.attribute("h")));
            for (Element again : old.sent) {
                say(again);
            }
            for (Map.Entry<String, Element> entry : new ArrayList<>(pending.entrySet())) {
                boolean sent = false;
                for (Element one : old.sent) {
                    sent |= entry.getKey().equals(one.attribute("id"));
                }
                if (!sent) {
                    deliver(entry.getKey(), entry.getValue());
                }
            }
        }

        private boolean proves(String password, byte[] proof, String message) {
            try {
                salted = SALTED.get(password);
                if (salted == null) {
                    SecretKeyFactory factory = SecretKeyFactory.getInstance("PBKDF2WithHmacSHA256");
                    salted = factory.generateSecret(new PBEKeySpec(password.toCharArray(), SALT, 4096, 256)).getEncoded();
                    SALTED.put(password, salted);
                }
                byte[] client = hmac(salted, "Client Key");
                byte[] signature = hmac(MessageDigest.getInstance("SHA-256").digest(client), message);
                boolean same = proof.length == client.length;
                for (int i = 0; same && i < client.length; i++) {
                    same = (proof[i] ^ signature[i]) == client[i];
                }
                return same;
            } catch (GeneralSecurityException e) {
                throw new AssertionError(e);
            }
        }
    }

    private static String base64(String text) {
        return Base64.getEncoder().encodeToString(text.getBytes(StandardCharsets.UTF_8));
    }

    private static byte[] hmac(byte[] key, String message) {
        try {
            Mac mac = Mac.getInstance("HmacSHA256");
            mac.init(new SecretKeySpec(key, "HmacSHA256"));
            return mac.doFinal(message.getBytes(StandardCharsets.UTF_8));
        } catch (GeneralSecurityException e) {
            throw new AssertionError(e);
        }
    }
}
