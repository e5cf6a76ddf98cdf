package org.tidings.core.stream;

import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.function.Consumer;
import org.tidings.core.sasl.ChannelBinding;
import org.tidings.core.sasl.Mechanism;
import org.tidings.core.sasl.SaslException;
import org.tidings.core.sasl.Scram;
import org.tidings.core.xml.Element;

/**
 * The initiating side of a stream under TLS, from its header to a session: registration where it
 * is wanted, SCRAM, then the session of before or a new resource with stream management.
 *
 * <p>XEP-0388 where it is offered, else RFC 6120. Each point of the negotiation is a {@link Stage}
 * that holds what it needs and takes one element, so nothing can be said or believed out of order.
 */
public final class Negotiation {
    /** How far an element led. */
    public enum Step {
        MORE,
        /** The account is to have another name than the device made up ({@link #username}), and registers with that. */
        NAMED,
        /** The account exists now; the login goes on by itself. */
        REGISTERED,
        /** There is a session: see {@link #established()}. */
        READY
    }

    /** One point of the negotiation. */
    private interface Stage {
        Step take(Element element) throws StreamException;
    }

    private static final String PRE_AUTH_ID = "preauth";
    private static final String FORM_ID = "form";
    private static final String REGISTER_ID = "register";
    /** Bytes of a name, as RFC 7622 bounds it. */
    private static final int LONGEST_NAME = 1023;
    private static final String BIND_ID = "bind";

    private final Login login;
    private final ChannelBinding tls;
    private final Consumer<byte[]> out;
    private final Runnable restart;
    private final Established established = new Established();
    private Stage stage;
    private boolean headerDue;

    /**
     * @param tls of the connection that the stream runs over
     * @param restart is called where another stream begins: the reader is to begin anew
     */
    public Negotiation(Login login, ChannelBinding tls, Consumer<byte[]> out, Runnable restart) {
        this.login = login;
        this.tls = tls;
        this.out = out;
        this.restart = restart;
        established.domain = login.domain;
    }

    /** With which name it logs in. */
    public String username() {
        return login.username;
    }

    /** Opens the stream. */
    public void start() {
        open(new Offered());
    }

    /** The server's header. */
    public void opened(Element header) throws StreamException {
        if (!headerDue) {
            throw new StreamException(Trouble.PROTOCOL, "the server sent a second header");
        }
        headerDue = false;
        String from = header.attribute("from");
        if (from != null && !from.isEmpty()) {
            established.domain = from;
        }
    }

    /** Takes the next element. After an exception there is no going on. */
    public Step take(Element element) throws StreamException {
        if (element.is("error", Ns.STREAM)) {
            throw Errors.stream(element);
        }
        Stage now = stage;
        stage = this::unexpected;
        return now.take(element);
    }

    /** What came of it, once there is a session. */
    public Established established() {
        return established;
    }

    static String header(String domain) {
        Element to = new Element("x", Ns.CLIENT).with("to", domain);
        String attribute = to.toString();
        return "<?xml version='1.0'?><stream:stream xmlns='" + Ns.CLIENT + "' xmlns:stream='" + Ns.STREAM + "'"
                + attribute.substring(2, attribute.length() - 2) + " version='1.0'>";
    }

    private void open(Stage features) {
        headerDue = true;
        stage = features;
        out.accept(header(login.domain).getBytes(StandardCharsets.UTF_8));
    }

    private Step unexpected(Element element) throws StreamException {
        throw new StreamException(Trouble.PROTOCOL, "the server sent <" + element.name() + "/> where it has no place");
    }

    private Step send(Element element, Stage next) {
        out.accept(element.toBytes());
        stage = next;
        return Step.MORE;
    }

    private static Element iq(String id, Element payload) {
        return new Element("iq", Ns.CLIENT).with("type", "set").with("id", id).with(payload);
    }

    /** The answer to our iq of that id; false where it is an error. */
    private boolean isResult(Element element, String id) throws StreamException {
        boolean ours = element.is("iq", Ns.CLIENT) && id.equals(element.attribute("id"));
        if (ours && "result".equals(element.attribute("type"))) {
            return true;
        }
        if (!ours || !"error".equals(element.attribute("type"))) {
            unexpected(element);
        }
        return false;
    }

    // ---- before the login ----

    /** Waits for the first features. */
    private final class Offered implements Stage {
        @Override
        public Step take(Element element) throws StreamException {
            if (!element.is("features", Ns.STREAM)) {
                return unexpected(element);
            }
            Features features = new Features(element);
            if (!login.register) {
                return logIn(features);
            }
            if (!features.register && !features.registerToken) {
                throw new StreamException(Trouble.REGISTRATION_REFUSED, "the server takes no new accounts");
            }
            if (login.token == null || !features.registerToken) {
                return register(features);
            }
            Element token = new Element("preauth", Ns.PRE_AUTH).with("token", login.token);
            return send(iq(PRE_AUTH_ID, token).with("to", established.domain), answer -> {
                if (!isResult(answer, PRE_AUTH_ID)) {
                    throw Errors.registration(answer);
                }
                return send(iq(FORM_ID, new Element("query", Ns.REGISTER)).with("type", "get"), form -> named(form, features));
            });
        }
    }

    /** An invitation may be for one name; one that is used up says nothing, and whether it was used by us the next answer tells. */
    private Step named(Element form, Features features) throws StreamException {
        Element query = isResult(form, FORM_ID) ? form.child("query", Ns.REGISTER) : null;
        String name = query == null ? null : query.childText("username", Ns.REGISTER);
        boolean other = name != null && !name.isEmpty() && name.length() <= LONGEST_NAME && !name.equals(login.username);
        login.username = other ? name : login.username;
        register(features);
        return other ? Step.NAMED : Step.MORE;
    }

    private Step register(Features features) {
        Element query = new Element("query", Ns.REGISTER)
                .withField("username", login.username)
                .withField("password", login.password);
        if (!features.registerToken) {
            query.withField("key", login.token);
        }
        return send(iq(REGISTER_ID, query), answer -> {
            if (!isResult(answer, REGISTER_ID)) {
                throw Errors.registration(answer);
            }
            logIn(features);
            return Step.REGISTERED;
        });
    }

    private Step logIn(Features features) throws StreamException {
        boolean inline = login.inline && features.inlineBind;
        Mechanism mechanism = inline ? Mechanism.choose(features.inlineMechanisms, features.channelBindings, tls) : null;
        inline = mechanism != null;
        if (!inline) {
            mechanism = Mechanism.choose(features.mechanisms, features.channelBindings, tls);
        }
        if (mechanism == null) {
            throw new StreamException(Trouble.NO_MECHANISM, "the server does not offer SCRAM-SHA-256");
        }
        established.mechanism = mechanism.name();
        established.inline = inline;
        Scram scram;
        try {
            scram = new Scram(mechanism, login.username, login.password, login.salted, login.nonce);
        } catch (SaslException e) {
            throw new StreamException(Trouble.CREDENTIALS, "the account's name or password cannot be used: " + e.getMessage());
        }
        String first = Base64.getEncoder().encodeToString(scram.first());
        if (!inline) {
            Element auth = new Element("auth", Ns.SASL).with("mechanism", mechanism.name()).withText(first);
            return send(auth, new Exchange(scram, Ns.SASL));
        }
        Element authenticate = new Element("authenticate", Ns.SASL2).with("mechanism", mechanism.name())
                .withField("initial-response", first);
        if (login.agent != null) {
            authenticate.with(new Element("user-agent", Ns.SASL2).with("id", login.agent));
        }
        if (login.resumeId != null && features.inlineResume) {
            authenticate.with(resume());
        }
        Element enable = new Element("enable", Ns.SM).with("resume", "true");
        authenticate.with(new Element("bind", Ns.BIND2).withField("tag", login.tag).with(enable));
        return send(authenticate, new Exchange(scram, Ns.SASL2));
    }

    // ---- the login ----

    /** SCRAM, in either profile. */
    private final class Exchange implements Stage {
        private final Scram scram;
        private final String profile;

        Exchange(Scram scram, String profile) {
            this.scram = scram;
            this.profile = profile;
        }

        @Override
        public Step take(Element element) throws StreamException {
            if (!element.ns().equals(profile)) {
                return unexpected(element);
            }
            try {
                switch (element.name()) {
                    case "challenge":
                        return challenge(element);
                    case "success":
                        return success(element);
                    case "failure":
                        throw Errors.login(element);
                    default:
                        return unexpected(element);
                }
            } catch (SaslException | IllegalArgumentException e) {
                throw new StreamException(Trouble.NOT_PROVED, e.getMessage());
            }
        }

        private Step challenge(Element element) throws SaslException {
            byte[] payload = decode(element.text());
            Element response = new Element("response", profile);
            if (new String(payload, StandardCharsets.UTF_8).startsWith("v=")) {
                // RFC 6120 lets the server's proof come before the success.
                scram.verify(payload);
            } else {
                response.withText(Base64.getEncoder().encodeToString(scram.respond(payload)));
            }
            return send(response, this);
        }

        private Step success(Element element) throws SaslException, StreamException {
            boolean inline = profile.equals(Ns.SASL2);
            String data = inline ? element.childText("additional-data", Ns.SASL2) : element.text();
            if (!scram.isProved()) {
                scram.verify(decode(data == null ? "" : data));
            }
            established.salted = scram.salted();
            if (inline) {
                inlineAnswers(element);
                stage = new Last();
            } else {
                restart.run();
                open(new SessionOffered());
            }
            return Step.MORE;
        }

        private byte[] decode(String text) {
            return Base64.getDecoder().decode(text.trim());
        }
    }

    /** What a success by XEP-0388 brings along. */
    private void inlineAnswers(Element success) throws StreamException {
        Element resumed = success.child("resumed", Ns.SM);
        if (resumed != null && login.resumeId != null) {
            resumed(resumed);
            return;
        }
        Element bound = success.child("bound", Ns.BIND2);
        if (bound != null) {
            established.jid = success.childText("authorization-identifier", Ns.SASL2);
            enabled(bound.child("enabled", Ns.SM));
        }
    }

    /** The features that are left after a login by XEP-0388. */
    private final class Last implements Stage {
        @Override
        public Step take(Element element) throws StreamException {
            if (!element.is("features", Ns.STREAM)) {
                return unexpected(element);
            }
            Features features = new Features(element);
            established.clientState = features.clientState;
            return established.resumed || established.jid != null ? Step.READY : bind(features);
        }
    }

    // ---- the session, by RFC 6120 ----

    /** Waits for the features behind the login. */
    private final class SessionOffered implements Stage {
        @Override
        public Step take(Element element) throws StreamException {
            if (!element.is("features", Ns.STREAM)) {
                return unexpected(element);
            }
            Features features = new Features(element);
            established.clientState = features.clientState;
            if (login.resumeId == null || !features.streamManagement) {
                return bind(features);
            }
            return send(resume(), answer -> {
                if (answer.is("resumed", Ns.SM)) {
                    resumed(answer);
                    return Step.READY;
                }
                return answer.is("failed", Ns.SM) ? bind(features) : unexpected(answer);
            });
        }
    }

    private Step bind(Features features) {
        // Always the same for an installation, so that a new session takes the place of its last one.
        String agent = login.agent == null ? null : login.agent.substring(0, Math.min(8, login.agent.length()));
        Element bind = new Element("bind", Ns.BIND).withField("resource", agent == null ? null : login.tag + "-" + agent);
        return send(iq(BIND_ID, bind), answer -> {
            Element bound = isResult(answer, BIND_ID) ? answer.child("bind", Ns.BIND) : null;
            established.jid = bound == null ? null : bound.childText("jid", Ns.BIND);
            if (established.jid == null) {
                throw new StreamException(Trouble.BUSY, "the server bound no resource (" + Errors.stanza(answer) + ")");
            }
            if (!features.streamManagement) {
                return Step.READY;
            }
            return send(new Element("enable", Ns.SM).with("resume", "true"), managed -> {
                if (!managed.is("enabled", Ns.SM) && !managed.is("failed", Ns.SM)) {
                    unexpected(managed);
                }
                enabled(managed);
                return Step.READY;
            });
        });
    }

    private Element resume() {
        return new Element("resume", Ns.SM).with("previd", login.resumeId).with("h", Integer.toUnsignedString(login.handled));
    }

    private void resumed(Element resumed) throws StreamException {
        String previd = resumed.attribute("previd");
        if (previd != null && !previd.equals(login.resumeId)) {
            throw new StreamException(Trouble.PROTOCOL, "the server resumed a session that is not ours");
        }
        established.resumed = true;
        established.managed = true;
        established.resumeId = login.resumeId;
        established.handled = count(resumed.attribute("h"));
    }

    private void enabled(Element enabled) {
        established.managed = enabled != null && enabled.name().equals("enabled");
        String resume = established.managed ? enabled.attribute("resume") : null;
        established.resumeId = "true".equals(resume) || "1".equals(resume) ? enabled.attribute("id") : null;
    }

    /** A count of XEP-0198; one that is none counts as none handled. */
    static int count(String h) {
        try {
            return h == null ? 0 : Integer.parseUnsignedInt(h);
        } catch (NumberFormatException e) {
            return 0;
        }
    }
}
