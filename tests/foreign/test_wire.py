"""What ordinary libraries never send, and what only shows on a real socket."""

import base64
import random
import socket
import ssl
import xml.etree.ElementTree as ET

from harness import DOMAIN, ServerCase, wait_until
from wire import BIND, CLIENT, PING, PUSH, SM, STREAM, Closed, Wire, condition

MIB = 1024 * 1024


class Case(ServerCase):
    def wire(self, direct=False):
        wire = Wire(self.server, direct)
        self.addCleanup(wire.close)
        return wire

    def secure(self):
        """A stream under TLS, before authentication."""
        wire = self.wire()
        wire.starttls()
        return wire

    def session(self, username=None, resource="r", register=True, password="pw", direct=False):
        """A bound session of a new account."""
        wire = self.wire(direct)
        wire.login(username or self.name(), password, resource, register)
        return wire

    def device(self, **options):
        """An available session."""
        wire = self.session(**options)
        wire.available()
        return wire


class Negotiation(Case):
    """From the first byte to the resource."""

    def test_tls_is_required_and_offered_alone(self):
        features = self.wire().open()
        offered = [child.tag for child in features]
        self.assertEqual(offered, ["{urn:ietf:params:xml:ns:xmpp-tls}starttls"])
        self.assertIsNotNone(features[0].find("{urn:ietf:params:xml:ns:xmpp-tls}required"))

    def test_features_under_tls(self):
        for direct in (False, True):
            wire = self.wire(direct)
            features = wire.open() if direct else wire.starttls()
            tags = [child.tag for child in features]
            self.assertNotIn("{urn:ietf:params:xml:ns:xmpp-tls}starttls", tags)
            mechanisms = {m.text for m in features.iter("{urn:ietf:params:xml:ns:xmpp-sasl}mechanism")}
            self.assertLessEqual({"SCRAM-SHA-256", "SCRAM-SHA-1", "PLAIN"}, mechanisms)
            self.assertIn("SCRAM-SHA-256-PLUS", mechanisms)
            bindings = {b.get("type") for b in features.iter("{urn:xmpp:sasl-cb:0}channel-binding")}
            self.assertIn("tls-server-end-point", bindings)
            self.assertIn("{http://jabber.org/features/iq-register}register", tags)

    def test_direct_tls_speaks_alpn(self):
        wire = self.wire(direct=True)
        self.assertEqual(wire.socket.selected_alpn_protocol(), "xmpp-client")
        self.assertIn(wire.socket.version(), ("TLSv1.2", "TLSv1.3"))

    def test_tls_1_2_and_1_3(self):
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            wire = self.wire()
            wire.open()
            wire.write("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
            wire.next()
            context = ssl.create_default_context(cafile=self.server.certificate())
            context.minimum_version = context.maximum_version = version
            wire.socket = context.wrap_socket(wire.socket, server_hostname=DOMAIN)
            wire.open()

    def test_every_mechanism(self):
        name = self.name()
        self.assertIsNone(self.secure().register(name, "pÄss, =wörd"))
        for algorithm in ("SHA-256", "SHA-1"):
            for plus in (False, True):
                wire = self.secure()
                self.assertEqual(wire.scram(name, "pÄss, =wörd", algorithm, plus)[0], "success")
                features = wire.open()
                self.assertIsNotNone(features.find(BIND + "bind"))
                self.assertIsNotNone(features.find(SM + "sm"))
        self.assertEqual(self.secure().plain(name, "pÄss, =wörd")[0], "success")

    def test_a_man_in_the_middle_cannot_hide_plus(self):
        """RFC 5802 section 6: `y` says that the server offered no -PLUS; it did."""
        name = self.name()
        wire = self.secure()
        self.assertIsNone(wire.register(name, "pw"))
        self.assertEqual(wire.scram(name, "pw", flag="y,,")[0], "failure")

    def test_wrong_password_and_unknown_user_look_the_same(self):
        name = self.name()
        self.assertIsNone(self.secure().register(name, "pw"))
        for algorithm in ("SHA-256", "SHA-1"):
            answers = [self.secure().scram(who, "wrong", algorithm) for who in (name, self.name())]
            self.assertEqual(answers[0], ("failure", "not-authorized"))
            self.assertEqual(answers[0], answers[1])
        answers = [self.secure().plain(who, "wrong") for who in (name, self.name())]
        self.assertEqual(answers[0], ("failure", "not-authorized"))
        self.assertEqual(answers[0], answers[1])

    def test_sasl_may_be_tried_again_on_the_same_stream(self):
        name = self.name()
        wire = self.secure()
        self.assertIsNone(wire.register(name, "pw"))
        self.assertEqual(wire.plain(name, "wrong")[0], "failure")
        self.assertEqual(wire.plain(name, "pw")[0], "success")

    def ahead(self, name, password):
        """All of a login in one write (XEP-0305), and all that is read until PING's answer or the end."""
        wire = self.wire(direct=True)
        header = (
            "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' "
            f"version='1.0' to='{DOMAIN}'>"
        )
        secret = base64.b64encode(f"\0{name}\0{password}".encode()).decode()
        wire.write(
            f"{header}<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>{secret}</auth>{header}"
            "<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>r</resource></bind></iq>"
            "<enable xmlns='urn:xmpp:sm:3' resume='true'/><presence/>"
            "<iq type='get' id='p'><ping xmlns='urn:xmpp:ping'/></iq>"
        )
        said = b""
        while b"id='p'" not in said and (more := wire.socket.recv(65536)):
            said += more
        return said.decode()

    def test_a_login_in_one_write(self):
        name = self.name()
        self.assertIsNone(self.secure().register(name, "pw"))
        rest = self.ahead(name, "pw")
        jid = f"<jid>{name}@{DOMAIN}/r</jid>"
        for part in ("<pipelining ", "<success ", "<stream:stream ", "<pipelining ", jid, "<enabled "):
            self.assertIn(part, rest)
            rest = rest.split(part, 1)[1]

    def test_nothing_is_done_behind_a_wrong_password(self):
        name = self.name()
        self.assertIsNone(self.secure().register(name, "pw"))
        said = self.ahead(name, "wrong").split("</stream:features>")
        self.assertEqual(len(said), 2, said)
        self.assertRegex(said[1], "^<failure .*<not-authorized/></failure><stream:error><bad-format ")
        self.assertTrue(said[1].endswith("</stream:error></stream:stream>"), said[1])

    def test_wrong_base64(self):
        for text in ("!!!!", "YQ", "YQ==YQ==", "Y Q = =", "====", "="):
            name, said = self.secure().auth("PLAIN", text)
            self.assertEqual(name, "failure", text)
            self.assertIn(said, ("incorrect-encoding", "malformed-request"), text)

    def test_unknown_mechanism(self):
        self.assertEqual(self.secure().auth("X-NOBODY-HAS-THIS", "="), ("failure", "invalid-mechanism"))

    def test_credentials_before_tls(self):
        wire = self.wire()
        wire.open()
        name = self.name()
        secret = base64.b64encode(f"\0{name}\0pw".encode()).decode()
        wire.write(f"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>{secret}</auth>")
        self.assertRefused(wire)

    def test_registration_before_tls(self):
        wire = self.wire()
        wire.open()
        name = self.name()
        wire.write(
            "<iq type='set' id='1'><query xmlns='jabber:iq:register'>"
            f"<username>{name}</username><password>pw</password></query></iq>"
        )
        self.assertRefused(wire)
        self.assertEqual(self.server.call("GET", f"/v1/users/{name}")[0], 404)

    def test_legacy_login_before_tls(self):
        wire = self.wire()
        wire.open()
        wire.write(
            "<iq type='set' id='1'><query xmlns='jabber:iq:auth'><username>a</username>"
            "<password>b</password><resource>c</resource></query></iq>"
        )
        self.assertRefused(wire)

    def test_stanza_before_tls(self):
        for stanza in ("<presence/>", "<message><body>x</body></message>"):
            wire = self.wire()
            wire.open()
            wire.write(stanza)
            self.assertRefused(wire)

    def test_stanza_before_authentication(self):
        wire = self.secure()
        wire.write("<message to='localhost'><body>x</body></message>")
        self.assertEqual(wire.stream_error(), "not-authorized")

    def test_bytes_injected_behind_starttls_are_not_trusted(self):
        """What arrives in the clear after <starttls/> must not be read as if it had come under TLS."""
        wire = self.wire()
        wire.open()
        injected = (
            "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' "
            f"version='1.0' to='{DOMAIN}'>"
        )
        wire.write("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>" + injected)
        try:
            element = wire.next()
            if element.tag == STREAM + "error":
                return
            wire.encrypt()
        except (Closed, ssl.SSLError, ConnectionError):
            return
        # The handshake may only succeed if the injected bytes were thrown away: then nothing was opened.
        wire.silent()
        wire.open()

    def test_second_authentication(self):
        name = self.name()
        wire = self.secure()
        self.assertIsNone(wire.register(name, "pw"))
        self.assertEqual(wire.plain(name, "pw")[0], "success")
        wire.open()
        wire.write("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>AGEAYg==</auth>")
        self.assertRefused(wire)

        wire = self.session()
        wire.write("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>AGEAYg==</auth>")
        self.assertRefused(wire)

    def test_legacy_login(self):
        """XEP-0078, as a client without SASL does it."""
        name = self.name()
        wire = self.secure()
        self.assertIsNone(wire.register(name, "pw"))
        fields = wire.request("get", f"<query xmlns='jabber:iq:auth'><username>{name}</username></query>")
        offered = {child.tag.rpartition("}")[2] for child in fields[0]}
        self.assertEqual(offered, {"username", "password", "resource"})

        def login(password, resource):
            return wire.request(
                "set",
                f"<query xmlns='jabber:iq:auth'><username>{name}</username><password>{password}</password>"
                f"{resource}</query>",
            )

        self.assertEqual(condition(login("wrong", "<resource>x</resource>")), "not-authorized")
        self.assertEqual(condition(login("pw", "")), "not-acceptable")
        self.assertEqual(login("pw", "<resource>x</resource>").get("type"), "result")
        wire.jid = f"{name}@{DOMAIN}/x"
        wire.ping()

    def test_host_unknown(self):
        wire = self.wire()
        wire.write(
            "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' "
            "version='1.0' to='elsewhere.example'>"
        )
        self.assertEqual(wire.stream_error(), "host-unknown")

    def test_addresses_stand_for_the_domain(self):
        for to in ("127.0.0.1", "localhost", "10.0.2.2", "[::1]", "::1"):
            self.wire().open(to=to)

    def test_wrong_namespaces(self):
        for header, wanted in (
            ("<stream:stream xmlns='jabber:client' xmlns:stream='urn:x' version='1.0' to='localhost'>",
             {"invalid-namespace"}),
            ("<stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams' "
             "version='1.0' to='localhost'>", {"invalid-namespace"}),
            ("<html>", {"invalid-namespace", "bad-format", "invalid-xml", "not-well-formed"}),
            ("<stream:stream to='localhost'>", {"not-well-formed", "bad-namespace-prefix", "invalid-namespace"}),
        ):  # fmt: skip
            wire = self.wire()
            wire.write(header)
            self.assertIn(wire.stream_error(), wanted, header)

    def test_registration_refusals(self):
        name = self.name()
        self.assertIsNone(self.secure().register(name, "pw"))
        self.assertEqual(self.secure().register(name, "pw"), "conflict")
        for bad in ("", "a b", "a@b", "a/b", "\u2028", "x" * 1024):
            wire = self.secure()
            self.assertIn(wire.register(bad, "pw"), ("not-acceptable", "bad-request", "jid-malformed"), bad[:20])
        self.assertIn(self.secure().register(self.name(), ""), ("not-acceptable", "bad-request"))

    def test_names_are_compared_as_jids_are(self):
        name = self.name()
        self.assertIsNone(self.secure().register(name.upper(), "pw"))
        self.assertEqual(self.secure().register(name, "pw"), "conflict")
        self.assertEqual(self.secure().plain(name, "pw")[0], "success")

    def assertRefused(self, wire):
        """A stream error or a protocol's own failure, never a success; the server goes on."""
        try:
            element = wire.next()
        except Closed:
            return
        self.assertTrue(
            element.tag == STREAM + "error"
            or element.tag.endswith("}failure")
            or (element.tag == CLIENT + "iq" and element.get("type") == "error"),
            ET.tostring(element),
        )


class Session(Case):
    """After the resource is bound."""

    OPTIONS = ("--set", "aliases=true")

    def test_unknown_requests_are_answered(self):
        wire = self.device()
        for to in (None, DOMAIN, wire.jid.partition("/")[0]):
            for kind in ("get", "set"):
                answer = wire.request(kind, "<query xmlns='urn:nobody:knows'/>", to)
                self.assertEqual(condition(answer), "service-unavailable", (to, kind))
        answer = wire.request("get", "<query xmlns='urn:nobody:knows'/>", "other@elsewhere.example")
        self.assertIn(condition(answer), ("service-unavailable", "remote-server-not-found", "item-not-found"))
        wire.ping()

    def test_other_accounts_cannot_be_reached(self):
        alice, bob = self.device(), self.device()
        for stanza in ("<message to='{}' id='m'><body>x</body></message>", "<iq to='{}' type='get' id='i'><ping xmlns='urn:xmpp:ping'/></iq>"):
            alice.write(stanza.format(bob.jid))
            alice.until(lambda e: e.get("type") == "error")
        bob.ping()
        # The server echoes one's own presence (RFC 6121 section 4.2.2).
        self.assertEqual([e for e in bob.elements if e.get("from") != bob.jid], [])

    def test_roster_is_empty(self):
        answer = self.session().request("get", "<query xmlns='jabber:iq:roster'/>")
        self.assertEqual(answer.get("type"), "result")
        self.assertEqual(len(answer[0]), 0)

    def test_a_jid_that_is_not_one(self):
        wire = self.session()
        for to in ("@", "a@", "/x", "a b@localhost", "x" * 5000 + "@localhost", "a@b@c"):
            answer = wire.request("get", "<ping xmlns='urn:xmpp:ping'/>", to)
            self.assertEqual(condition(answer), "jid-malformed", to[:30])
        wire.ping()

    def test_from_of_somebody_else(self):
        wire = self.session()
        wire.write(f"<message from='admin@{DOMAIN}' to='{DOMAIN}'><body>x</body></message>")
        self.assertEqual(wire.stream_error(), "invalid-from")

    def test_resource_is_taken_over(self):
        name = self.name()
        first = self.device(username=name, resource="phone")
        second = self.device(username=name, resource="phone", register=False)
        self.assertEqual(first.stream_error(), "conflict")
        second.ping()
        # What comes later reaches the new one, which outlives the old one's end.
        id, _ = self.server.send({"user": name}, title="t")
        self.assertEqual(second.headline().get("id"), id)
        self.assertEqual(len([s for s in self.server.sessions() if s["username"] == name]), 1)

    def test_own_resources_see_each_other(self):
        name = self.name()
        first = self.device(username=name, resource="one")
        second = self.device(username=name, resource="two", register=False)
        first.until(lambda e: e.tag == CLIENT + "presence" and e.get("from") == second.jid)
        second.write("</stream:stream>")
        gone = first.until(lambda e: e.tag == CLIENT + "presence" and e.get("from") == second.jid)
        self.assertEqual(gone.get("type"), "unavailable")

    def test_every_resource_gets_it_and_one_receipt_settles(self):
        name = self.name()
        first = self.device(username=name, resource="one")
        second = self.device(username=name, resource="two", register=False)
        id, recipients = self.server.send({"user": name}, title="t")
        self.assertEqual(recipients, 1)
        for wire in (first, second):
            self.assertEqual(wire.headline().get("id"), id)
        receipt(second, id)
        self.server.wait_delivered(id, 1)

    def test_negative_priority_gets_nothing(self):
        name = self.name()
        wire = self.session(username=name)
        wire.write("<presence><priority>-1</priority></presence>")
        wire.ping()
        id, _ = self.server.send({"user": name}, title="t")
        wire.ping()
        self.assertFalse(any(e.tag == CLIENT + "message" for e in wire.elements))
        self.assertEqual(self.server.notification(id)["pending"], 1)
        wire.write("<presence/>")
        self.assertEqual(wire.headline().get("id"), id)

    def test_nothing_before_presence(self):
        name = self.name()
        wire = self.session(username=name)
        id, _ = self.server.send({"user": name}, title="t")
        wire.ping()
        self.assertFalse(any(e.tag == CLIENT + "message" for e in wire.elements))
        wire.write("<presence/>")
        self.assertEqual(wire.headline().get("id"), id)

    def test_unacknowledged_comes_again_with_the_same_id(self):
        name = self.name()
        first = self.device(username=name)
        id, _ = self.server.send({"user": name}, title="t")
        self.assertEqual(first.headline().get("id"), id)
        first.close()
        self.server.wait_offline(name)
        self.assertEqual(self.server.notification(id)["pending"], 1)
        second = self.device(username=name, register=False)
        self.assertEqual(second.headline().get("id"), id)
        receipt(second, id)
        self.server.wait_delivered(id, 1)

    def test_receipt_of_somebody_else_settles_nothing(self):
        name = self.name()
        owner, thief = self.device(username=name), self.device()
        id, _ = self.server.send({"user": name}, title="t")
        self.assertEqual(owner.headline().get("id"), id)
        receipt(thief, id)
        thief.ping()
        self.assertEqual(self.server.notification(id)["delivered"], 0)

    def test_displayed_counts_as_opened(self):
        name = self.name()
        wire = self.device(username=name)
        id, _ = self.server.send({"user": name}, title="t")
        wire.headline()
        receipt(wire, id)
        wire.write(f"<message to='{DOMAIN}'><displayed xmlns='urn:xmpp:chat-markers:0' id='{id}'/></message>")
        wait_until("opened", lambda: self.server.notification(id)["opened"] == 1)

    def test_ping_rule(self):
        """A client with neither receipts nor XEP-0198: its answer to a ping proves what came before."""
        name = self.name()
        wire = self.device(username=name)
        ids = [self.server.send({"user": name}, title=f"t{n}")[0] for n in range(5)]
        got, pings = [], []
        while len(got) < len(ids) or not pings:
            element = wire.next()
            if element.find(PING + "ping") is not None:
                pings.append((element.get("id"), len(got)))
            elif element.tag == CLIENT + "message":
                got.append(element.get("id"))
        self.assertEqual(got, ids)
        self.assertEqual(len(pings), 1, "one outstanding ping, however many notifications")
        self.assertEqual(self.server.notification(ids[0])["delivered"], 0)
        while self.server.notification(ids[-1])["delivered"] == 0:
            id, before = pings.pop(0)
            wire.write(
                f"<iq type='error' id='{id}' to='{DOMAIN}'><error type='cancel'>"
                "<service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>"
            )
            self.server.wait_delivered(ids[before - 1], 1)
            if before < len(ids):
                # What came after that ping is not proven yet.
                self.assertEqual(self.server.notification(ids[before])["delivered"], 0)
                ping = wire.until(lambda e: e.find(PING + "ping") is not None)
                pings.append((ping.get("id"), len(ids)))

    def test_session_ended_from_outside(self):
        wire = self.device()
        status, _, _ = self.server.call("DELETE", "/v1/sessions/" + wire.jid.replace("/", "%2F"))
        self.assertIn(status, (200, 204))
        wire.wait_closed()
        wait_until("the session is gone", lambda: wire.jid not in {s["jid"] for s in self.server.sessions()})

    def test_session_is_listed(self):
        wire = self.device(direct=True)
        wire.write("<presence><show>dnd</show><status>busy</status></presence>")
        wire.ping()
        session = next(s for s in self.server.sessions() if s["jid"] == wire.jid)
        self.assertEqual(session["client_ip"].rpartition(":")[0] or session["client_ip"], "127.0.0.1")
        self.assertIn("1.3", session["tls"])
        self.assertEqual(session["presence"], "dnd")

    def test_password_change_and_removal(self):
        name = self.name()
        wire = self.session(username=name)
        change = f"<query xmlns='jabber:iq:register'><username>{name}</username><password>new</password></query>"
        self.assertEqual(wire.request("set", change).get("type"), "result")
        self.assertEqual(self.secure().plain(name, "pw"), ("failure", "not-authorized"))
        self.assertEqual(self.secure().scram(name, "new")[0], "success")
        other = f"<query xmlns='jabber:iq:register'><username>admin</username><password>new</password></query>"
        self.assertEqual(wire.request("set", other).get("type"), "error")
        wire.write("<iq type='set' id='bye'><query xmlns='jabber:iq:register'><remove/></query></iq>")
        wire.wait_closed()
        self.assertEqual(self.server.call("GET", f"/v1/users/{name}")[0], 404)
        self.assertEqual(self.secure().plain(name, "new"), ("failure", "not-authorized"))

    def test_androidpn_extensions(self):
        name = self.name()
        wire = self.device(username=name)
        alias = self.name()
        answer = wire.request("set", f"<setalias xmlns='androidpn:iq:setalias'><username>{name}</username><alias>{alias}</alias></setalias>")
        self.assertEqual(answer.get("type"), "result")
        other = self.device()
        answer = other.request("set", f"<setalias xmlns='androidpn:iq:setalias'><alias>{alias}</alias></setalias>")
        self.assertEqual(condition(answer), "conflict")
        answer = wire.request("set", "<settags xmlns='androidpn:iq:settags'><username/><tags>red,green</tags></settags>")
        self.assertEqual(answer.get("type"), "result")
        answer = wire.request("get", "<subscriptions xmlns='urn:tidings:push:1'/>")
        topics = {topic.text for topic in answer.iter(PUSH + "topic")}
        self.assertEqual(topics, {"red", "green"})
        id, recipients = self.server.send({"user": alias}, title="t")
        self.assertEqual(recipients, 1)
        self.assertEqual(wire.headline().get("id"), id)
        confirm = f"<deliverconfirm xmlns='androidpn:iq:deliverconfirm'><uuid>{id}</uuid></deliverconfirm>"
        self.assertEqual(wire.request("set", confirm).get("type"), "result")
        self.server.wait_delivered(id, 1)

    def test_topics(self):
        wire = self.device()
        for verb, count in (("subscribe", 1), ("unsubscribe", 0)):
            wire.request("set", f"<{verb} xmlns='urn:tidings:push:1' topic='news'/>")
            answer = wire.request("get", "<subscriptions xmlns='urn:tidings:push:1'/>")
            self.assertEqual(len(list(answer.iter(PUSH + "topic"))), count)


def receipt(wire, id):
    wire.write(f"<message to='{DOMAIN}'><received xmlns='urn:xmpp:receipts' id='{id}'/></message>")


class StreamManagement(Case):
    """XEP-0198."""

    def enabled(self, **options):
        wire = self.session(**options)
        wire.write("<enable xmlns='urn:xmpp:sm:3' resume='true'/>")
        enabled = wire.expect(SM + "enabled")
        self.assertIn(enabled.get("resume"), ("true", "1"))
        wire.write("<presence/>")
        return wire, enabled.get("id")

    def resume(self, name, id, h, password="pw"):
        wire = self.secure()
        self.assertEqual(wire.plain(name, password)[0], "success")
        wire.open()
        wire.write(f"<resume xmlns='urn:xmpp:sm:3' previd='{id}' h='{h}'/>")
        return wire, wire.next()

    def test_resumption_redelivers_what_was_not_acknowledged(self):
        name = self.name()
        wire, sm = self.enabled(username=name)
        wire.ping()
        id, _ = self.server.send({"user": name}, title="t")
        self.assertEqual(wire.headline().get("id"), id)
        wire.close()
        late, _ = self.server.send({"user": name}, title="late")
        # Nothing was acknowledged: h=0.
        wire, answer = self.resume(name, sm, 0)
        self.assertEqual(answer.tag, SM + "resumed")
        self.assertEqual(answer.get("previd"), sm)
        self.assertEqual([wire.headline().get("id"), wire.headline().get("id")], [id, late])
        wire.ping()
        wire.write("<r xmlns='urn:xmpp:sm:3'/>")
        wire.until(SM + "a")

    def test_acknowledgement_settles(self):
        name = self.name()
        wire, _ = self.enabled(username=name)
        received = 0
        id, _ = self.server.send({"user": name}, title="t")
        while True:
            element = wire.next()
            if element.tag in (CLIENT + "message", CLIENT + "presence", CLIENT + "iq"):
                received += 1
            if element.tag == SM + "r" and received:
                wire.write(f"<a xmlns='urn:xmpp:sm:3' h='{received}'/>")
            if element.tag == CLIENT + "message":
                break
        wire.write(f"<a xmlns='urn:xmpp:sm:3' h='{received}'/>")
        self.server.wait_delivered(id, 1)

    def test_a_client_that_lies(self):
        wire, _ = self.enabled()
        wire.write("<a xmlns='urn:xmpp:sm:3' h='4000'/>")
        error = wire.until(STREAM + "error")
        self.assertEqual(error[0].tag.rpartition("}")[2], "undefined-condition")
        wire.wait_closed()

    def test_session_of_somebody_else(self):
        name = self.name()
        victim, sm = self.enabled(username=name)
        thief = self.name()
        self.assertIsNone(self.secure().register(thief, "pw"))
        _, answer = self.resume(thief, sm, 0)
        self.assertEqual(answer.tag, SM + "failed")
        victim.ping()

    def test_unknown_session(self):
        name = self.name()
        self.assertIsNone(self.secure().register(name, "pw"))
        wire, answer = self.resume(name, "nobody", 0)
        self.assertEqual(answer.tag, SM + "failed")
        # The client may go on with a new session on the same stream.
        wire.bind("r")
        wire.ping()


class Hostile(Case):
    """Input that is meant to hurt. A session beside it must notice nothing; memory stays bounded."""

    OPTIONS = ("--set", "limits.auth_seconds=20")

    def setUp(self):
        self.neighbour_name = self.name()
        self.neighbour = self.device(username=self.neighbour_name)
        self.before = self.server.memory()

    def tearDown(self):
        # The neighbour still gets its notifications, at once.
        id, _ = self.server.send({"user": self.neighbour_name}, title="still here")
        self.assertEqual(self.neighbour.headline().get("id"), id)
        self.neighbour.ping()
        grown = self.server.memory() - self.before
        self.assertLess(grown, 32 * MIB, f"memory grew by {grown / MIB:.1f} MiB")

    def test_garbage(self):
        random.seed(20260101)
        for _ in range(20):
            wire = self.wire()
            with_errors(wire, random.randbytes(4096))
            wire.wait_closed(60)

    def test_garbage_under_tls(self):
        random.seed(20260102)
        for _ in range(5):
            wire = self.wire(direct=True)
            with_errors(wire, random.randbytes(4096))
            wire.wait_closed(60)

    def test_garbage_instead_of_tls(self):
        wire = self.wire()
        wire.open()
        wire.write("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
        wire.next()
        with_errors(wire, b"\x16\x03\x01\xff\xff" + random.randbytes(70000))
        wire.wait_closed(60)

    def test_http_request(self):
        wire = self.wire()
        with_errors(wire, b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        wire.wait_closed(60)

    def test_not_utf_8(self):
        wire = self.session()
        with_errors(wire, b"<message><body>\xff\xfe\xc0\x80</body></message>")
        self.assertIn(wire.stream_error(), ("not-well-formed", "bad-format", "invalid-xml", "unsupported-encoding"))

    def test_doctype(self):
        laughs = (
            "<!DOCTYPE lolz [<!ENTITY a 'aaaaaaaaaa'><!ENTITY b '&a;&a;&a;&a;&a;&a;&a;&a;'>"
            "<!ENTITY c SYSTEM 'file:///etc/passwd'>]>"
        )
        wire = self.wire()
        wire.write("<?xml version='1.0'?>" + laughs)
        self.assertIn(wire.stream_error(), ("restricted-xml", "not-well-formed", "invalid-xml"))
        wire = self.session()
        with_errors(wire, laughs)
        self.assertIn(wire.stream_error(), ("restricted-xml", "not-well-formed", "invalid-xml"))

    def test_restricted_xml(self):
        for text in ("<!-- comment -->", "<?target data?>", "<message>&nbsp;</message>"):
            wire = self.session()
            wire.write(text)
            self.assertIn(wire.stream_error(), ("restricted-xml", "not-well-formed", "invalid-xml"), text)

    def test_wrong_end_tag(self):
        wire = self.session()
        wire.write("<message><a></b></message>")
        self.assertEqual(wire.stream_error(), "not-well-formed")

    def test_nested(self):
        deep = "<a>" * 100_000
        for wire in (self.secure(), self.session()):
            with_errors(wire, "<message>" + deep)
            self.assertIn(wire.stream_error(), ("policy-violation", "not-authorized"))

    def test_huge_attribute(self):
        text = "<message a='" + "x" * MIB
        for wire in (self.secure(), self.session()):
            with_errors(wire, text)
            self.assertIn(wire.stream_error(), ("policy-violation", "not-authorized"))

    def test_many_attributes(self):
        wire = self.session()
        with_errors(wire, "<message " + " ".join(f"a{n}=''" for n in range(2000)) + "/>")
        self.assertEqual(wire.stream_error(), "policy-violation")

    def test_huge_stanza(self):
        """One byte too many ends the stream; what is just allowed does not."""
        wire = self.session()
        frame = "<message to='localhost' type='headline'><body></body></message>"
        wire.write(frame.replace("></body>", ">" + "x" * (60 * 1024) + "</body>"))
        wire.ping()
        with_errors(wire, frame.replace("></body>", ">" + "x" * (65 * 1024) + "</body>"))
        self.assertEqual(wire.stream_error(), "policy-violation")

    def test_endless_stanza(self):
        wire = self.session()
        chunk = b"x" * MIB
        try:
            wire.write("<message><body>")
            for _ in range(50):
                wire.socket.sendall(chunk)
            self.fail("50 MiB were taken")
        except (ConnectionError, ssl.SSLError, BrokenPipeError):
            pass

    def test_before_authentication_less_is_allowed(self):
        wire = self.secure()
        with_errors(wire, "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>" + "A" * 9000)
        self.assertIn(wire.stream_error(), ("policy-violation",))

    def test_bytes_one_by_one(self):
        """Slow is not wrong: the same login, a byte a write."""
        wire = self.wire()
        whole = wire.write

        def drip(text):
            for byte in text if isinstance(text, bytes) else text.encode():
                whole(bytes([byte]))

        wire.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        wire.write = drip
        wire.starttls()
        self.assertIsNone(wire.register(self.name(), "pw"))

    def test_many_half_open_streams(self):
        wires = [self.wire() for _ in range(200)]
        for wire in wires:
            wire.write("<stream:stream xmlns='jabber:client' ")
        self.neighbour.ping()
        for wire in wires:
            wire.close()

    def test_reader_that_stalls(self):
        """A device that never reads costs its own session only."""
        name = self.name()
        stalled = self.wire()
        stalled.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        stalled.login(name, "pw", "r", register=True)
        stalled.available()
        message = "x" * 30_000
        ids = [self.server.send({"users": [name, self.neighbour_name]}, title="t", message=message)[0] for _ in range(100)]
        for id in ids:
            self.assertEqual(self.neighbour.headline().get("id"), id)
            receipt(self.neighbour, id)
        self.server.wait_delivered(ids[-1], 1)
        self.assertEqual(self.server.notification(ids[0])["pending"], 1)


def with_errors(wire, data):
    """Writes what the server may well refuse to read to its end."""
    try:
        wire.write(data)
    except (ConnectionError, ssl.SSLError, BrokenPipeError):
        pass


class Wordless(Case):
    """A peer that stops halfway to its login."""

    OPTIONS = ("--set", "limits.auth_seconds=5")

    def test_before_authentication(self):
        """Before authentication a peer has `limits.auth_seconds`, wherever it stops."""
        waiting = []
        for stop in ("at once", "header", "half a header", "half a handshake", "tls", "half a stanza"):
            wire = self.wire()
            if stop == "header":
                wire.open()
            elif stop == "half a header":
                wire.write("<stream:stream xmlns='jab")
            elif stop == "half a handshake":
                wire.open()
                wire.write("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
                wire.next()
                wire.write(b"\x16\x03\x01\x02")
            elif stop == "tls":
                wire.starttls()
            elif stop == "half a stanza":
                wire.starttls()
                wire.write("<iq type='set' id='1'><qu")
            waiting.append((stop, wire))
        for stop, wire in waiting:
            with self.subTest(stop):
                try:
                    self.assertIn(wire.stream_error(60), ("connection-timeout", "policy-violation"))
                except Closed:
                    self.assertIn(stop, ("at once", "half a header", "half a handshake"))


class Dead(Case):
    """A peer that has gone away without a word."""

    OPTIONS = ("--set", "limits.idle_seconds=5", "--set", "limits.ping_timeout_seconds=1")

    def test_silence_after_a_ping(self):
        wire = self.device()
        probe = wire.until(lambda e: e.tag == CLIENT + "iq" and e.find(PING + "ping") is not None)
        self.assertEqual(probe.get("type"), "get")
        self.assertEqual(wire.stream_error(), "connection-timeout")


class Silent(Case):
    """A peer that has nothing to say, and answers when it is asked."""

    OPTIONS = ("--set", "limits.idle_seconds=1", "--set", "limits.ping_timeout_seconds=60")

    def test_answers_to_pings(self):
        wire = self.device()
        for _ in range(3):
            probe = wire.until(lambda e: e.tag == CLIENT + "iq" and e.find(PING + "ping") is not None)
            wire.write(f"<iq type='result' id='{probe.get('id')}' to='{DOMAIN}'/>")
        wire.ping()


class Registration(Case):
    """Who may register, and how fast."""

    OPTIONS = ("--set", "registration.policy=closed")

    def test_closed(self):
        wire = self.secure()
        self.assertIn(wire.register(self.name(), "pw"), ("not-allowed", "forbidden", "service-unavailable"))
        name = self.name()
        status, document, _ = self.server.call("POST", "/v1/users", {"username": name, "password": "pw of mine"})
        self.assertEqual(status, 201, document)
        self.session(username=name, password="pw of mine", register=False).ping()


class Throttling(Case):
    OPTIONS = ("--set", "limits.registrations_per_minute=3", "--set", "limits.login_failures_per_minute=3")

    def test_registrations(self):
        answers = [self.secure().register(self.name(), "pw") for _ in range(5)]
        self.assertEqual(answers[:3], [None] * 3)
        self.assertIn(answers[4], ("resource-constraint", "policy-violation", "not-allowed"))

    def test_login_failures(self):
        name = self.name()
        self.server.call("POST", "/v1/users", {"username": name, "password": "pw of mine"})
        for _ in range(4):
            self.assertEqual(self.secure().plain(name, "wrong")[0], "failure")
        # Not even the right one, for a while; and the answer does not tell which it was.
        name, said = self.secure().plain(name, "pw of mine")
        self.assertEqual(name, "failure")
        self.assertIn(said, ("not-authorized", "temporary-auth-failure"))


