"""A bare XMPP client on a real socket, for what well-behaved libraries never send. Standard library only."""

import base64
import hashlib
import hmac
import secrets
import socket
import ssl
import time
import xml.etree.ElementTree as ET
from xml.sax.saxutils import escape, quoteattr

from harness import DOMAIN, PATIENCE

STREAM = "{http://etherx.jabber.org/streams}"
CLIENT = "{jabber:client}"
SASL = "{urn:ietf:params:xml:ns:xmpp-sasl}"
TLS = "{urn:ietf:params:xml:ns:xmpp-tls}"
BIND = "{urn:ietf:params:xml:ns:xmpp-bind}"
STANZAS = "{urn:ietf:params:xml:ns:xmpp-stanzas}"
STREAMS = "{urn:ietf:params:xml:ns:xmpp-streams}"
SM = "{urn:xmpp:sm:3}"
PUSH = "{urn:tidings:push:1}"
PING = "{urn:xmpp:ping}"
RECEIPTS = "{urn:xmpp:receipts}"
REGISTER = "{jabber:iq:register}"


class Closed(Exception):
    """The server closed the stream or the connection."""


class Wire:
    """One connection. Reads are bounded by a patience, and answer whole first-level elements."""

    def __init__(self, server, direct=False, source=None):
        self.server = server
        self.certificate = None
        port = server.ports["xmpps" if direct else "xmpp"]
        self.socket = socket.create_connection(("127.0.0.1", port), PATIENCE, source_address=source)
        self._fresh_parser()
        self.jid = None
        if direct:
            self.encrypt()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def _fresh_parser(self):
        self.parser = ET.XMLPullParser(("start", "end"))
        self.depth = 0
        self.header = None
        self.elements = []
        self.ended = False

    # Out.

    def write(self, text):
        self.socket.sendall(text if isinstance(text, bytes) else text.encode())

    def open(self, to=DOMAIN, extra=""):
        """Opens a stream; answers its features."""
        self._fresh_parser()
        self.write(
            "<?xml version='1.0'?><stream:stream xmlns='jabber:client' "
            f"xmlns:stream='http://etherx.jabber.org/streams' version='1.0' to='{to}'{extra}>"
        )
        return self.expect(STREAM + "features")

    def encrypt(self):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(self.server.certificate())
        context.set_alpn_protocols(["xmpp-client"])
        self.socket = context.wrap_socket(self.socket, server_hostname=DOMAIN)
        self.certificate = self.socket.getpeercert(binary_form=True)

    def starttls(self):
        """Opens, negotiates TLS and opens again; answers the features under TLS."""
        self.open()
        self.write("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
        self.expect(TLS + "proceed")
        self.encrypt()
        return self.open()

    # In.

    def next(self, patience=PATIENCE):
        """The next first-level element. Raises Closed at the stream's or the connection's end."""
        end = time.monotonic() + patience
        while not self.elements:
            if self.ended:
                raise Closed("stream")
            left = end - time.monotonic()
            if left <= 0:
                raise AssertionError("the server says nothing")
            self._fill(left)
        return self.elements.pop(0)

    def _fill(self, patience):
        self.socket.settimeout(max(patience, 0.001))
        try:
            data = self.socket.recv(65536)
        except TimeoutError:
            return
        except (ConnectionError, ssl.SSLError):
            data = b""
        finally:
            self.socket.settimeout(PATIENCE)
        if not data:
            raise Closed("connection")
        self.parser.feed(data)
        for kind, element in self.parser.read_events():
            if kind == "start":
                if self.depth == 0:
                    self.header = element
                self.depth += 1
            else:
                self.depth -= 1
                if self.depth == 1:
                    self.elements.append(element)
                elif self.depth == 0:
                    self.ended = True

    def expect(self, tag, patience=PATIENCE):
        element = self.next(patience)
        assert element.tag == tag, f"wanted {tag}, got {ET.tostring(element).decode()}"
        return element

    def until(self, wanted, patience=PATIENCE):
        """The first element for which `wanted` holds (or of this tag); others are dropped."""
        if isinstance(wanted, str):
            tag, wanted = wanted, lambda element: element.tag == tag
        end = time.monotonic() + patience
        while True:
            element = self.next(max(0.0, end - time.monotonic()))
            if wanted(element):
                return element

    def silent(self, seconds=0.3):
        """Nothing comes. For what must not happen, a short look is all there is."""
        end = time.monotonic() + seconds
        while not self.elements and time.monotonic() < end:
            self._fill(max(0.0, end - time.monotonic()))
        assert not self.elements, f"unexpected: {ET.tostring(self.elements[0]).decode()}"

    def stream_error(self, patience=PATIENCE):
        """The condition of the stream error that comes; then the connection must end."""
        error = self.until(STREAM + "error", patience)
        condition = error[0].tag.removeprefix(STREAMS)
        self.wait_closed(patience)
        return condition

    def wait_closed(self, patience=PATIENCE):
        end = time.monotonic() + patience
        try:
            while True:
                self.next(max(0.0, end - time.monotonic()))
        except Closed:
            pass
        except ET.ParseError:
            pass

    # Session.

    def request(self, kind, payload, to=None):
        """An IQ; answers the answer. What came before it stays for later."""
        id = secrets.token_hex(4)
        to = f" to={quoteattr(to)}" if to else ""
        self.write(f"<iq type='{kind}' id='{id}'{to}>{payload}</iq>")
        before = []
        while (element := self.next()).get("id") != id:
            before.append(element)
        self.elements = before + self.elements
        return element

    def register(self, username, password):
        answer = self.request(
            "set",
            f"<query xmlns='jabber:iq:register'><username>{escape(username)}</username>"
            f"<password>{escape(password)}</password></query>",
        )
        return None if answer.get("type") == "result" else condition(answer)

    def auth(self, mechanism, initial):
        """Sends <auth/>; answers the next element's local name and its text or condition."""
        text = base64.b64encode(initial).decode() if isinstance(initial, bytes) else initial
        self.write(f"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='{mechanism}'>{text}</auth>")
        return self.sasl_answer()

    def respond(self, data):
        text = base64.b64encode(data).decode()
        self.write(f"<response xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>{text}</response>")
        return self.sasl_answer()

    def sasl_answer(self):
        element = self.next()
        name = element.tag.removeprefix(SASL)
        if name == "failure":
            return name, element[0].tag.removeprefix(SASL)
        return name, base64.b64decode(element.text or "")

    def plain(self, username, password):
        return self.auth("PLAIN", f"\0{username}\0{password}".encode())

    def scram(self, username, password, algorithm="SHA-256", plus=False, flag=None):
        """The whole SCRAM exchange (RFC 5802); answers like `sasl_answer`, the server's signature checked."""
        digest = {"SHA-1": "sha1", "SHA-256": "sha256"}[algorithm]
        binding = hashlib.sha256(self.certificate).digest() if plus else b""
        gs2 = flag or ("p=tls-server-end-point,," if plus else "n,,")
        nonce = secrets.token_urlsafe(18)
        first = f"n={username.replace('=', '=3D').replace(',', '=2C')},r={nonce}"
        name, said = self.auth(f"SCRAM-{algorithm}" + ("-PLUS" if plus else ""), (gs2 + first).encode())
        if name != "challenge":
            return name, said
        fields = dict(part.split("=", 1) for part in said.decode().split(","))
        assert fields["r"].startswith(nonce) and len(fields["r"]) > len(nonce)
        salted = hashlib.pbkdf2_hmac(digest, password.encode(), base64.b64decode(fields["s"]), int(fields["i"]))
        client_key = hmac.digest(salted, b"Client Key", digest)
        final = f"c={base64.b64encode(gs2.encode() + binding).decode()},r={fields['r']}"
        message = f"{first},{said.decode()},{final}".encode()
        signature = hmac.digest(hashlib.new(digest, client_key).digest(), message, digest)
        proof = bytes(a ^ b for a, b in zip(client_key, signature))
        name, said = self.respond(f"{final},p={base64.b64encode(proof).decode()}".encode())
        if name == "success":
            server_key = hmac.digest(salted, b"Server Key", digest)
            expected = base64.b64encode(hmac.digest(server_key, message, digest)).decode()
            assert said.decode() == f"v={expected}", "the server did not prove that it knows the key"
        return name, said

    def bind(self, resource=None):
        inner = f"<resource>{escape(resource)}</resource>" if resource else ""
        answer = self.request("set", f"<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>{inner}</bind>")
        assert answer.get("type") == "result", ET.tostring(answer)
        self.jid = answer.find(f"{BIND}bind/{BIND}jid").text
        return self.jid

    def login(self, username, password, resource=None, register=False):
        """From the open socket to a bound resource."""
        self.open() if self.certificate else self.starttls()
        if register:
            assert (refused := self.register(username, password)) is None, refused
        name, said = self.plain(username, password)
        assert name == "success", said
        features = self.open()
        self.bind(resource)
        return features

    def available(self):
        self.write("<presence/>")
        # Streams keep their order: with this answer the presence has been seen. What came before stays.
        self.ping()

    def headline(self, patience=PATIENCE):
        """The next notification message."""
        return self.until(lambda e: e.tag == CLIENT + "message" and e.find(PUSH + "notification") is not None, patience)

    def ping(self):
        """A round trip to the server."""
        answer = self.request("get", "<ping xmlns='urn:xmpp:ping'/>", to=DOMAIN)
        assert answer.get("type") == "result", ET.tostring(answer)


def condition(stanza):
    """The condition of an error stanza."""
    error = stanza.find(CLIENT + "error")
    assert error is not None, ET.tostring(stanza)
    return next(child.tag.removeprefix(STANZAS) for child in error if child.tag.startswith(STANZAS))
