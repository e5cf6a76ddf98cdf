package org.tidings.core.stream;

import java.util.ArrayList;
import java.util.List;
import org.tidings.core.xml.Element;

/** What a server offers at a point of the negotiation (RFC 6120 section 4.3.2). */
final class Features {
    final boolean startTls;
    final List<String> mechanisms = new ArrayList<>();
    /** XEP-0388: those of the login that takes along what comes after it. */
    final List<String> inlineMechanisms = new ArrayList<>();
    /** XEP-0388: a login may resume a session, or bind a resource (XEP-0386). */
    final boolean inlineResume;
    final boolean inlineBind;
    /** XEP-0440. */
    final List<String> channelBindings = new ArrayList<>();
    final boolean register;
    final boolean registerToken;
    final boolean bind;
    final boolean streamManagement;
    final boolean clientState;

    Features(Element features) {
        startTls = features.child("starttls", Ns.TLS) != null;
        texts(features.child("mechanisms", Ns.SASL), mechanisms);
        Element authentication = features.child("authentication", Ns.SASL2);
        texts(authentication, inlineMechanisms);
        Element inline = authentication == null ? null : authentication.child("inline", Ns.SASL2);
        inlineResume = inline != null && inline.child("sm", Ns.SM) != null;
        inlineBind = inline != null && inline.child("bind", Ns.BIND2) != null;
        Element bindings = features.child("sasl-channel-binding", Ns.CHANNEL_BINDING);
        if (bindings != null) {
            for (Element binding : bindings.children()) {
                String type = binding.attribute("type");
                if (type != null) {
                    channelBindings.add(type);
                }
            }
        }
        register = features.child("register", Ns.REGISTER_FEATURE) != null;
        registerToken = features.child("register", Ns.PRE_AUTH_FEATURE) != null;
        bind = features.child("bind", Ns.BIND) != null;
        streamManagement = features.child("sm", Ns.SM) != null;
        clientState = features.child("csi", Ns.CSI) != null;
    }

    private static void texts(Element list, List<String> into) {
        if (list != null) {
            for (Element mechanism : list.children()) {
                if (mechanism.name().equals("mechanism")) {
                    into.add(mechanism.text().trim());
                }
            }
        }
    }
}
