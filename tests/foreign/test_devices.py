"""Clients that other people wrote, each on the same way: register in-band, log in, receive a broadcast, a
notification for this user alone, and one that waited while the device was away; and the counters agree."""

import json
import os
import secrets
import sys

from harness import DOMAIN, HERE, Device, ServerCase


class Journey:
    """The way itself. A class for each client says how to start it."""

    def start(self, username, password, register):
        """Starts the device; answers it once its session gets notifications."""
        raise NotImplementedError

    def notification(self, device):
        """The next one. At least once means that a device may see an id again: it drops what it has."""
        while True:
            got = device.expect("notification")
            known = self.__dict__.setdefault("known", set())
            if got["id"] not in known:
                known.add(got["id"])
                return got

    def check(self, device, id, title, message, uri):
        got = self.notification(device)
        self.assertEqual(got["id"], id)
        self.assertEqual(got["title"], title)
        self.assertEqual(got["message"], message)
        self.assertEqual(got["uri"], uri)
        return got

    def account(self):
        return self.name(), secrets.token_urlsafe(18)

    def away(self, device):
        device.leave()

    def test_journey(self):
        username, password = self.account()
        device = self.start(username, password, register=True)
        self.addCleanup(device.stop)

        title, message, uri = "Grüße & <b>Küsse</b>", "line one\nline \"two\" 😀", "https://example.org/?a=1&b=2"
        id, recipients = self.server.send({"all": True}, title=title, message=message, uri=uri)
        self.check(device, id, title, message, uri)
        # Accounts of earlier tests are recipients too, and stay pending.
        self.server.wait_delivered(id, 1)
        self.assertEqual(self.server.notification(id)["pending"], recipients - 1)

        id, recipients = self.server.send({"user": username}, title="only you", message="m", uri="tel:110")
        self.assertEqual(recipients, 1)
        self.check(device, id, "only you", "m", "tel:110")
        self.assertEqual(self.server.wait_delivered(id, 1)["pending"], 0)

        self.away(device)
        self.server.wait_offline(username)
        waiting = []
        for number in range(3):
            id, _ = self.server.send({"user": username}, title=f"waited {number}", message="m", uri="tel:110")
            waiting.append(id)
        everyone, _ = self.server.send({"all": True}, title="waited too", message="m", uri="tel:110")
        self.assertEqual(self.server.notification(waiting[0])["pending"], 1)
        self.assertEqual(self.server.user(username)["pending"], 4)

        device = self.start(username, password, register=False)
        self.addCleanup(device.stop)
        got = [self.notification(device) for _ in range(4)]
        self.assertEqual([one["id"] for one in got], waiting + [everyone], "in the order they were sent")
        for id in waiting:
            self.server.wait_delivered(id, 1)
        self.server.wait_delivered(everyone, 1)
        self.assertEqual(self.server.user(username)["pending"], 0)
        device.leave()

    def test_wrong_password(self):
        username, password = self.account()
        first = self.start(username, password, register=True)
        self.addCleanup(first.stop)
        wrong = self.launch(username, "not " + password, register=False)
        self.addCleanup(wrong.stop)
        wrong.expect("refused")
        unknown = self.launch(self.name(), password, register=False)
        self.addCleanup(unknown.stop)
        unknown.expect("refused")
        # The right one still works, and the session that was there noticed nothing.
        id, _ = self.server.send({"user": username}, title="t", message="m", uri="tel:110")
        self.check(first, id, "t", "m", "tel:110")
        first.leave()

    def test_name_is_taken(self):
        username, password = self.account()
        first = self.start(username, password, register=True)
        self.addCleanup(first.stop)
        second = self.launch(username, "another", register=True)
        self.addCleanup(second.stop)
        second.expect("refused")
        first.leave()


class Slixmpp(Journey):
    """slixmpp (Python)."""

    TLS = "starttls"
    MECHANISM = None
    RECEIPTS = True
    SM = False

    def launch(self, username, password, register):
        port = self.server.ports["xmpps" if self.TLS == "direct" else "xmpp"]
        options = {
            "host": "127.0.0.1",
            "port": port,
            "domain": DOMAIN,
            "username": username,
            "password": password,
            "resource": "slix",
            "tls": self.TLS,
            "ca": self.server.certificate(),
            "mechanism": self.MECHANISM,
            "register": register,
            "receipts": self.RECEIPTS,
            "sm": self.SM,
        }
        return Device(sys.executable, os.path.join(HERE, "python/device.py"), json.dumps(options))

    def start(self, username, password, register):
        device = self.launch(username, password, register)
        if self.MECHANISM:
            self.assertEqual(device.expect("authenticated")["mechanism"], self.MECHANISM)
        if self.SM:
            device.expect("sm_enabled")
        online = device.expect("online")
        self.assertIn("urn:tidings:push:1", online["features"])
        self.assertTrue(online["ping"])
        return device


class SlixmppStartTls(Slixmpp, ServerCase):
    """Over STARTTLS, acknowledging with receipts (XEP-0184)."""

    MECHANISM = "SCRAM-SHA-256"

    def test_form(self):
        """The headline message, part by part."""
        username, password = self.account()
        device = self.start(username, password, register=True)
        self.addCleanup(device.stop)
        device.order('{"subscribe": "news"}')
        device.expect("subscribed")
        id, recipients = self.server.send(
            {"topic": "news"}, title="T", message="M", uri="https://example.org/", image="https://example.org/i.png",
            data={"k": "v <&>"}, priority="high",
        )  # fmt: skip
        self.assertEqual(recipients, 1)
        got = device.expect("notification")
        self.assertEqual((got["id"], got["stanza_id"], got["type"]), (id, id, "headline"))
        self.assertEqual((got["topic"], got["priority"]), ("news", "high"))
        self.assertEqual(got["data"], {"k": "v <&>"})
        self.assertEqual(got["image"], "https://example.org/i.png")
        self.assertEqual(got["body"], "T\nM\nhttps://example.org/")
        self.server.wait_delivered(id, 1)
        device.leave()


class SlixmppDirectTls(Slixmpp, ServerCase):
    """Over direct TLS, with SCRAM-SHA-1, acknowledging by nothing but its answers to pings."""

    TLS = "direct"
    MECHANISM = "SCRAM-SHA-1"
    RECEIPTS = False


class SlixmppStreamManagement(Slixmpp, ServerCase):
    """With PLAIN, acknowledging by XEP-0198 alone."""

    MECHANISM = "PLAIN"
    RECEIPTS = False
    SM = True


class XmppJs(Journey, ServerCase):
    """@xmpp/client (JavaScript), with its stream management, over STARTTLS."""

    SERVICE = "xmpp"
    RECEIPTS = False

    def launch(self, username, password, register):
        options = {
            "service": f"{self.SERVICE}://localhost:{self.server.ports[self.SERVICE]}",
            "domain": DOMAIN,
            "username": username,
            "password": password,
            "resource": "xmppjs",
            "register": register,
            "receipts": self.RECEIPTS,
        }
        trust = {"NODE_EXTRA_CA_CERTS": self.server.certificate()}
        return Device("node", os.path.join(HERE, "node/device.js"), json.dumps(options), env=trust)

    def start(self, username, password, register):
        device = self.launch(username, password, register)
        online = device.expect("online")
        self.assertTrue(online["secure"])
        # This client prefers XEP-0388, where the server adds to what the client wants.
        self.assertTrue(online["jid"].startswith(f"{username}@{DOMAIN}/xmppjs/"), online["jid"])
        return device


class XmppJsDirectTls(XmppJs):
    """Over direct TLS, sending receipts as well."""

    SERVICE = "xmpps"
    RECEIPTS = True


class Smack(Journey):
    """The androidpn client of 2010, with the Smack of its time (Java). It never answers a notification: the
    server finds out by itself what has arrived."""

    VERSION = None

    def launch(self, username, password, register):
        folder = os.path.join(os.environ["SMACK_DIR"], self.VERSION)
        return Device(
            "java", "-cp", f"{folder}/smack.jar:{folder}", "AndroidpnDevice",
            "127.0.0.1", str(self.server.ports["xmpp"]), username, password,
            "register" if register else "login",
        )  # fmt: skip

    def start(self, username, password, register):
        device = self.launch(username, password, register)
        self.assertEqual(device.expect("connected")["tls"], "true")
        online = device.expect("online")
        self.assertEqual(online["jid"], f"{username}@{DOMAIN}/AndroidpnClient")
        return device

    def account(self):
        """As the client makes them up: 32 hexadecimal characters each."""
        return secrets.token_hex(16), secrets.token_hex(16)

    def check(self, device, id, title, message, uri):
        got = super().check(device, id, title, message, uri)
        self.assertEqual(got["apiKey"], "1234567890")


class Smack310(Smack, ServerCase):
    """Smack 3.1.0, on which that client was built; leaves without a word."""

    VERSION = "3.1.0"


class Smack321(Smack, ServerCase):
    """Smack 3.2.1; logs out politely."""

    VERSION = "3.2.1"

    def away(self, device):
        device.order("logout")
        device.process.wait(30)
