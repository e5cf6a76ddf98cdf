// A device on @xmpp/client. Its one argument is a JSON object; it writes one JSON object a line, and leaves
// politely when its standard input ends.
import { client, xml } from "@xmpp/client";
import readline from "node:readline";

const options = JSON.parse(process.argv[2]);
const say = (event, fields = {}) => console.log(JSON.stringify({ event, ...fields }));

const xmpp = client({
  service: options.service,
  domain: options.domain,
  resource: options.resource,
  // Called once TLS is up and mechanisms are offered: the moment to register, on the same stream.
  credentials: async (authenticate, mechanisms) => {
    if (options.register) {
      await xmpp.iqCaller.request(
        xml(
          "iq",
          { type: "set" },
          xml(
            "query",
            { xmlns: "jabber:iq:register" },
            xml("username", {}, options.username),
            xml("password", {}, options.password),
          ),
        ),
      );
      say("registered");
    }
    const mechanism = options.mechanism ?? mechanisms[0];
    await authenticate({ username: options.username, password: options.password }, mechanism);
    say("authenticated", { mechanism });
  },
});
xmpp.timeout = 20_000;
xmpp.reconnect.stop();

xmpp.on("error", (error) => say("refused", { condition: error.condition ?? String(error) }));
xmpp.on("stanza", async (stanza) => {
  const notification = stanza.getChild("notification", "urn:tidings:push:1");
  if (!notification) return;
  const text = (name) => notification.getChildText(name) ?? undefined;
  say("notification", {
    id: notification.attrs.id,
    title: text("title"),
    message: text("message"),
    uri: text("uri"),
    body: stanza.getChildText("body"),
    sm: xmpp.streamManagement.enabled,
  });
  if (options.receipts && stanza.getChild("request", "urn:xmpp:receipts")) {
    const received = xml("received", { xmlns: "urn:xmpp:receipts", id: stanza.attrs.id });
    await xmpp.send(xml("message", { to: stanza.attrs.from }, received));
  }
});
xmpp.on("online", async (address) => {
  await xmpp.send(xml("presence"));
  say("online", { jid: address.toString(), secure: xmpp.isSecure() });
});

const orders = readline.createInterface({ input: process.stdin });
orders.on("close", async () => {
  await xmpp.stop().catch(() => {});
  process.exit(0);
});

xmpp.start().catch((error) => {
  say("refused", { condition: error.condition ?? String(error) });
  process.exit(3);
});
