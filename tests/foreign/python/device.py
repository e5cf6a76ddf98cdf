"""A device on slixmpp. Its one argument is a JSON object; it writes one JSON object a line, and leaves
politely when its standard input ends."""

import asyncio
import json
import sys

import slixmpp
from slixmpp.xmlstream import ET
from slixmpp.xmlstream.handler import Callback
from slixmpp.xmlstream.matcher import MatchXPath

PUSH = "{urn:tidings:push:1}"
OPTIONS = json.loads(sys.argv[1])


def say(event, **fields):
    print(json.dumps({"event": event, **fields}), flush=True)


class Device(slixmpp.ClientXMPP):
    def __init__(self):
        jid = f"{OPTIONS['username']}@{OPTIONS['domain']}/{OPTIONS['resource']}"
        super().__init__(jid, OPTIONS["password"], sasl_mech=OPTIONS.get("mechanism"))
        self.left = asyncio.get_running_loop().create_future()
        self.enable_direct_tls = OPTIONS["tls"] == "direct"
        self.enable_starttls = OPTIONS["tls"] == "starttls"
        self.ca_certs = OPTIONS["ca"]
        for name in ("xep_0030", "xep_0199"):
            self.register_plugin(name)
        if OPTIONS.get("register"):
            for name in ("xep_0004", "xep_0066", "xep_0077"):
                self.register_plugin(name)
            self.add_event_handler("register", self.on_register)
        if OPTIONS.get("receipts"):
            self.register_plugin("xep_0184")
        if OPTIONS.get("sm"):
            self.register_plugin("xep_0198")
            self.add_event_handler("sm_enabled", lambda _: say("sm_enabled"))
        self.add_event_handler("session_start", self.on_session)
        self.add_event_handler("failed_auth", lambda failure: say("refused", condition=failure["condition"]))
        self.add_event_handler(
            "auth_success", lambda _: say("authenticated", mechanism=self.plugin["feature_mechanisms"].mech.name)
        )
        self.add_event_handler("failed_all_auth", lambda _: self.leave(3))
        self.add_event_handler("disconnected", lambda _: self.leave(0))
        path = "{jabber:client}message/" + PUSH + "notification"
        self.register_handler(Callback("notification", MatchXPath(path), self.on_message))

    def leave(self, code):
        if not self.left.done():
            self.left.set_result(code)

    async def on_register(self, _form):
        iq = self.Iq()
        iq["type"] = "set"
        iq["register"]["username"] = self.boundjid.user
        iq["register"]["password"] = self.password
        try:
            await iq.send(timeout=20)
            say("registered")
        except slixmpp.exceptions.IqError as error:
            say("refused", condition=error.iq["error"]["condition"])
            self.disconnect()

    async def on_session(self, _event):
        # What most clients do first: discover the server and ping it.
        info = await self.plugin["xep_0030"].get_info(jid=OPTIONS["domain"], timeout=20)
        rtt = await self.plugin["xep_0199"].ping(jid=OPTIONS["domain"], timeout=20)
        self.send_presence()
        features = sorted(info["disco_info"]["features"])
        say("online", jid=self.boundjid.full, features=features, ping=rtt >= 0)

    def on_message(self, stanza):
        notification = stanza.xml.find(PUSH + "notification")
        fields = {child.tag.removeprefix(PUSH): child.text for child in notification if not child.attrib}
        data = {child.get("key"): child.text for child in notification.findall(PUSH + "data")}
        say(
            "notification",
            id=notification.get("id"),
            stanza_id=stanza["id"],
            type=stanza["type"],
            topic=notification.get("topic"),
            priority=notification.get("priority"),
            data=data,
            body=stanza["body"],
            **fields,
        )

    async def on_order(self, line):
        """An order is a JSON object; {"subscribe": TOPIC} is the only one so far."""
        topic = json.loads(line)["subscribe"]
        iq = self.Iq()
        iq["type"] = "set"
        iq.append(ET.Element(PUSH + "subscribe", {"topic": topic}))
        await iq.send(timeout=20)
        say("subscribed", topic=topic)


async def main():
    device = Device()
    device.connect(OPTIONS["host"], OPTIONS["port"])

    orders = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(orders), sys.stdin)

    async def obey():
        async for line in orders:
            await device.on_order(line)
        device.disconnect()

    obeying = asyncio.ensure_future(obey())
    code = await device.left
    obeying.cancel()
    return code


sys.exit(asyncio.run(main()))
