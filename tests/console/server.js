// The real server in a process of its own, its API, and devices that are `tidings listen`.
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import readline from "node:readline";

const BINARY = process.env.TIDINGS_BIN ?? "target/debug/tidings";
const FILL = process.env.TIDINGS_FILL ?? "target/debug/examples/fill";
export const TIMEOUT_MS = 30_000;

/** Asks until the answer is truthy. */
export async function waitUntil(what, ask) {
  const end = Date.now() + TIMEOUT_MS;
  for (;;) {
    const answer = await ask();
    if (answer) return answer;
    if (Date.now() > end) throw new Error(`waited in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

export class Server {
  key = "console-tests-key";
  password = "console-tests-password";
  children = [];

  /** Starts a server, on a data directory that holds so many accounts already. */
  static async start({ accounts = 0, name = "device", options = [] } = {}) {
    const server = new Server();
    server.directory = fs.mkdtempSync(path.join(os.tmpdir(), "tidings-console-"));
    if (accounts) execFileSync(FILL, [server.directory, String(accounts), name], { stdio: ["ignore", "ignore", "inherit"] });
    const free = ["xmpp", "xmpps", "http"].flatMap((name) => [`--${name}`, "127.0.0.1:0"]);
    const limits = ["registrations_per_minute=0", "login_failures_per_minute=0"];
    const settings = limits.flatMap((limit) => ["--set", `limits.${limit}`]);
    server.process = spawn(BINARY, ["serve", "--data-dir", server.directory, ...free, ...settings, ...options], {
      stdio: ["ignore", "pipe", "pipe"],
      env: { PATH: process.env.PATH, TIDINGS_API_KEY: server.key, TIDINGS_ADMIN_PASSWORD: server.password },
    });
    server.log = "";
    server.process.stderr.on("data", (data) => (server.log += data));
    const lines = readline.createInterface({ input: server.process.stdout });
    const [ready] = await Promise.race([
      once(lines, "line"),
      once(server.process, "exit").then(() => Promise.reject(new Error(`no server: ${server.log}`))),
    ]);
    server.ports = Object.fromEntries(
      ready.split(" ").slice(1).map((word) => word.split("=")).map(([name, at]) => [name, at.split(":").pop()]),
    );
    server.url = `http://127.0.0.1:${server.ports.http}`;
    return server;
  }

  async call(method, at, body) {
    const answer = await fetch(this.url + at, {
      method,
      headers: { authorization: `Bearer ${this.key}`, "content-type": "application/json" },
      body: body && JSON.stringify(body),
    });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${method} ${at}: ${answer.status} ${text}`);
    return text ? JSON.parse(text) : null;
  }

  /** A device; `received` fills with what it gets. Answers once it is online. */
  async device(...options) {
    const account = path.join(this.directory, `device-${this.children.length}.json`);
    const before = (await this.call("GET", "/v1/stats")).online;
    const device = spawn(
      BINARY,
      ["listen", "--server", `127.0.0.1:${this.ports.xmpp}`, "--domain", "localhost", "--insecure",
       "--account", account, "--json", ...options],
      { stdio: ["ignore", "pipe", "ignore"] },
    );
    this.children.push(device);
    device.received = [];
    readline.createInterface({ input: device.stdout }).on("line", (line) => {
      if (line.startsWith("{")) device.received.push(JSON.parse(line));
    });
    await waitUntil("the device is online", async () => (await this.call("GET", "/v1/stats")).online > before);
    const { sessions } = await this.call("GET", "/v1/sessions?limit=1000");
    device.username = sessions.at(-1).username;
    return device;
  }

  async stop() {
    for (const child of this.children) child.kill("SIGKILL");
    if (this.process.exitCode === null) {
      this.process.kill("SIGTERM");
      await once(this.process, "exit");
    }
    fs.rmSync(this.directory, { recursive: true, force: true });
  }
}
