// The console in a real browser, against the real server, with real devices.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import fs from "node:fs";
import path from "node:path";

import { chromium } from "playwright-core";

import { PATIENCE, Server, waitUntil } from "./server.js";

const AXE = fs.readFileSync(new URL("node_modules/axe-core/axe.min.js", import.meta.url), "utf8");
const SHOTS = process.env.TIDINGS_SCREENSHOTS;
const HOSTILE = `<img src=x onerror="alert(1)"><script>alert(2)</script>'"&`;

let browser;
let server;

async function open({ on = server, ...options } = {}) {
  const context = await browser.newContext({ baseURL: on.url, locale: "en-GB", timezoneId: "Europe/Vienna", ...options });
  context.setDefaultTimeout(PATIENCE);
  const page = await context.newPage();
  page.faults = [];
  page.on("pageerror", (error) => page.faults.push(String(error)));
  page.on("dialog", async (dialog) => {
    page.faults.push(`a dialog: ${dialog.message()}`);
    await dialog.dismiss();
  });
  page.on("console", (line) => {
    if (line.type() === "error" && !line.text().includes("status of 4")) page.faults.push(line.text());
  });
  return page;
}

async function login(page, name = "admin", password = server.password) {
  await page.goto("/login");
  await page.getByLabel("Name").fill(name);
  await page.getByLabel("Password").fill(password);
  await page.getByRole("button", { name: "Log in" }).click();
}

async function admin(options) {
  const page = await open(options);
  await login(page);
  await page.getByRole("heading", { name: "Dashboard" }).waitFor();
  return page;
}

/** The number in the tile of this name. */
const tile = async (page, name) => {
  const text = await page.locator("dl.tiles > div", { has: page.locator("dt", { hasText: new RegExp(`^${name}$`) }) }).locator("dd").first().innerText();
  return Number.parseInt(text.replaceAll(/[^\d\n]/g, ""), 10);
};

async function closeClean(page) {
  assert.deepEqual(page.faults, []);
  await page.context().close();
}

before(async () => {
  server = await Server.start();
  browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
  });
});

after(async () => {
  await browser?.close();
  await server?.stop();
});

describe("the door", () => {
  test("asks for a login, and goes where one wanted to go", async () => {
    const page = await open();
    await page.goto("/users");
    assert.match(page.url(), /\/login/);
    await page.getByLabel("Name").fill("admin");
    await page.getByLabel("Password").fill(server.password);
    await page.getByRole("button", { name: "Log in" }).click();
    await page.getByRole("heading", { name: "Users" }).waitFor();
    await closeClean(page);
  });

  test("refuses a wrong password and an unknown name alike", async () => {
    const said = [];
    for (const name of ["admin", "nobody"]) {
      const page = await open();
      await login(page, name, "wrong");
      said.push(await page.getByRole("alert").innerText());
      await closeClean(page);
    }
    assert.equal(said[0], said[1]);
  });

  test("sets a cookie that scripts and other sites do not get, and a strict policy", async () => {
    const page = await admin();
    const [cookie] = await page.context().cookies();
    assert.equal(cookie.httpOnly, true);
    assert.equal(cookie.sameSite, "Strict");
    const answer = await page.goto("/");
    const policy = answer.headers()["content-security-policy"];
    assert.ok(policy?.includes("default-src") && !policy.includes("unsafe-inline"), policy);
    await closeClean(page);
  });

  test("is closed again after logging out", async () => {
    const page = await admin();
    const cookies = await page.context().cookies();
    await page.getByRole("button", { name: "Log out" }).click();
    await page.getByLabel("Password").waitFor();
    // Not even the old cookie opens it.
    await page.context().addCookies(cookies);
    await page.goto("/users");
    assert.match(page.url(), /\/login/);
    await closeClean(page);
  });
});

describe("the first minutes", () => {
  test("an empty dashboard says how to connect, and changes by itself when a device arrives", async () => {
    const page = await admin();
    await page.getByRole("heading", { name: "Connect the first device" }).waitFor();
    assert.match(await page.locator("#first").innerText(), /tidings listen/);
    await shoot(page, "first-minutes");
    let loads = 0;
    page.on("framenavigated", () => (loads += 1));
    await server.device("--topic", "news");
    await page.getByRole("heading", { name: "Connect the first device" }).waitFor({ state: "detached" });
    await waitUntil("one device online", async () => (await tile(page, "Devices online")) % 10 === 1 || null);
    assert.equal(loads, 0, "without reloading");
    await closeClean(page);
  });
});

describe("sending", () => {
  test("compose, preview, send, and watch it arrive", async () => {
    const device = await server.device();
    const page = await admin();
    await page.getByRole("link", { name: "New notification" }).first().click();
    await page.getByLabel("Users", { exact: true }).last().fill(device.username);
    await page.getByLabel("Title").fill("Lunch");
    await page.getByLabel("Message").fill("The soup is ready");
    assert.equal(await page.locator("#preview-title").innerText(), "Lunch");
    assert.equal(await page.locator("#preview-text").innerText(), "The soup is ready");
    await page.getByRole("button", { name: "Send", exact: true }).click();
    await page.locator("dl.tiles").waitFor();
    await waitUntil("delivered", async () => (await tile(page, "Delivered")) >= 1);
    await waitUntil("the device has it", async () => device.received.some((one) => one.title === "Lunch"));
    await closeClean(page);
  });

  test("names complete as one types, and the reach is told", async () => {
    const device = await server.device();
    const page = await admin();
    await page.goto("/notifications/new");
    const users = page.getByLabel("Users", { exact: true }).last();
    await users.pressSequentially(device.username.slice(0, 6));
    await waitUntil("the name is offered", async () => (await page.locator("#names option").evaluateAll((all) => all.map((one) => one.value))).includes(device.username));
    await users.fill(`${device.username}, nobody-like-this`);
    await page.getByText("Reaches 1 account, 1 online now. Unknown: nobody-like-this.").waitFor();
    await page.getByLabel(/Everyone \(/).check();
    await waitUntil("the reach of all", async () => {
      const { accounts, online } = await server.call("GET", "/v1/stats");
      return (await page.locator("#reach").innerText()) === `Reaches ${accounts} accounts, ${online} online now.`;
    });
    await closeClean(page);
  });

  test("the preview shows the picture and what the priority means", async () => {
    const page = await admin();
    const picture = `<svg xmlns="http://www.w3.org/2000/svg" width="300" height="120"><rect width="300" height="120" fill="teal"/></svg>`;
    await page.route("https://pictures.example/**", (route) => route.fulfill({ contentType: "image/svg+xml", body: picture }));
    await page.goto("/notifications/new");
    await page.getByLabel("Title").fill("With a picture");
    await page.getByLabel("Priority").selectOption("high");
    await page.locator("#preview-urgency", { hasText: "goes before everything else" }).waitFor();
    await page.getByText("More:").click();
    await page.getByLabel("Image").fill("https://pictures.example/soup.svg");
    await page.getByLabel("Data").focus();
    await page.locator("#preview-picture").waitFor({ state: "visible" });
    assert.equal(await page.locator("#preview-image").isVisible(), false);
    await shoot(page, "compose-picture");
    await page.getByLabel("Image").fill("http://pictures.example/soup.svg");
    await page.getByLabel("Data").focus();
    await page.locator("#preview-image", { hasText: "soup.svg" }).waitFor();
    assert.equal(await page.locator("#preview-picture").isVisible(), false);
    await page.getByLabel("A topic").check();
    await page.getByLabel("Topic", { exact: true }).fill("nobody-listens");
    await page.getByRole("button", { name: "Send", exact: true }).click();
    await page.getByText(/This reaches/).waitFor();
    await shoot(page, "confirm");
    await closeClean(page);
  });

  test("a broadcast is confirmed, with its reach", async () => {
    const page = await admin();
    await page.goto("/notifications/new");
    await page.getByLabel(/Everyone \(/).check();
    await page.getByLabel("Title").fill("To all");
    await page.getByRole("button", { name: "Send", exact: true }).click();
    await page.getByText(/This reaches/).waitFor();
    await page.getByRole("button", { name: /Send to/ }).click();
    await waitUntil("delivered", async () => (await tile(page, "Delivered")) >= 1);
    await closeClean(page);
  });

  test("what is wrong is said beside the field, and nothing typed is lost", async () => {
    const page = await admin();
    await page.goto("/notifications/new");
    await page.getByLabel("Users", { exact: true }).last().fill("nobody-of-this-name");
    await page.getByLabel("Message").fill("kept");
    await page.getByRole("button", { name: "Send", exact: true }).click();
    await page.locator(".fault", { hasText: "nobody-of-this-name" }).waitFor();
    assert.equal(await page.getByLabel("Message").inputValue(), "kept");
    await closeClean(page);
  });

  test("schedule, then cancel", async () => {
    const page = await admin();
    await page.goto("/notifications/new");
    await page.getByLabel("A topic").check();
    await page.getByLabel("Topic", { exact: true }).fill("news");
    await page.getByLabel("Title").fill("Tomorrow");
    await page.getByText("More:").click();
    await page.getByLabel(/^Send at/).fill("2031-06-01T09:30");
    await page.getByRole("button", { name: "Send", exact: true }).click();
    const confirm = page.getByRole("button", { name: /Send to/ });
    if (await confirm.or(page.locator("dl.tiles")).first().waitFor().then(() => confirm.isVisible())) await confirm.click();
    await page.locator("dl.tiles").waitFor();
    const [newest] = (await server.call("GET", "/v1/notifications?limit=1")).notifications;
    assert.equal(newest.state, "scheduled");
    assert.equal(new Date(newest.send_at).toISOString(), "2031-06-01T07:30:00.000Z", "half past nine in Vienna");
    await page.getByText(/Cancel what is still/).click();
    await page.getByRole("button", { name: "Cancel the notification" }).click();
    await waitUntil("cancelled", async () => (await server.call("GET", `/v1/notifications/${newest.id}`)).state === "cancelled");
    await closeClean(page);
  });

  test("works without script", async () => {
    const page = await admin({ javaScriptEnabled: false });
    await page.goto("/notifications/new");
    await page.getByLabel("A topic").check();
    await page.getByLabel("Topic", { exact: true }).fill("news");
    await page.getByLabel("Title").fill("By hand");
    await page.getByRole("button", { name: "Send", exact: true }).click();
    const confirm = page.getByRole("button", { name: /Send to/ });
    if (await confirm.count()) await confirm.click();
    await waitUntil("sent", async () => (await server.call("GET", "/v1/notifications?limit=1")).notifications[0].title === "By hand");
    await closeClean(page);
  });
});

describe("bad intentions", () => {
  test("a forged form is refused", async () => {
    const page = await admin();
    const before = (await server.call("GET", "/v1/stats")).accepted;
    for (const csrf of ["", "wrong"]) {
      const answer = await page.request.post("/notifications", { form: { csrf, audience: "all", title: "forged", step: "send" }, maxRedirects: 0 });
      assert.equal(answer.status(), 403);
    }
    assert.equal((await server.call("GET", "/v1/stats")).accepted, before);
    await closeClean(page);
  });

  test("a viewer sees, and does not send", async () => {
    const page = await admin();
    await page.goto("/operators");
    await page.getByLabel("Name").fill("vera");
    await page.getByLabel("Password").fill("vera's password");
    await page.getByLabel("Role").selectOption("viewer");
    await page.getByRole("button", { name: "Save" }).click();
    await page.locator("td", { hasText: "vera" }).first().waitFor();
    await page.context().close();

    const viewer = await open();
    await login(viewer, "vera", "vera's password");
    await viewer.getByRole("heading", { name: "Dashboard" }).waitFor();
    assert.equal(await viewer.getByRole("link", { name: "New notification" }).count(), 0);
    assert.equal((await viewer.goto("/notifications/new")).status(), 403);
    await viewer.goto("/notifications");
    const csrf = await viewer.locator("input[name=csrf]").first().inputValue();
    for (const [at, form] of [
      ["/notifications", { audience: "all", title: "no", step: "send" }],
      ["/keys", { name: "no", scope: "admin" }],
      ["/users", { username: "no", password: "no such user" }],
      ["/operators", { name: "vera", password: "vera's password", role: "administrator" }],
    ]) {
      const answer = await viewer.request.post(at, { form: { csrf, ...form }, maxRedirects: 0 });
      assert.equal(answer.status(), 403, at);
    }
    await viewer.context().close();
  });

  test("a hostile title is text wherever it stands", async () => {
    const device = await server.device();
    const { id } = await server.call("POST", "/v1/notifications", {
      to: { user: device.username }, title: HOSTILE, message: HOSTILE, uri: HOSTILE, image: HOSTILE, data: { [HOSTILE]: HOSTILE },
    });
    await server.call("POST", "/v1/users", { username: "mallory", password: "password of hers", name: HOSTILE });
    await server.call("POST", "/v1/keys", { name: HOSTILE, scope: "read" });
    const page = await admin();
    for (const at of ["/", "/notifications", `/notifications/${id}`, `/notifications/new?from=${id}`, "/users", "/users/mallory", "/keys", "/audit"]) {
      await page.goto(at);
      assert.equal(await page.locator("img[src=x]").count(), 0, at);
    }
    await page.goto(`/users?q=${encodeURIComponent(HOSTILE)}`);
    await page.goto(`/notifications/new?title=${encodeURIComponent(HOSTILE)}`);
    await page.goto("/notifications");
    await page.getByText(HOSTILE).first().waitFor();
    await closeClean(page);
  });
});

describe("people and keys", () => {
  test("sessions are sorted by their headings", async () => {
    const devices = [await server.device(), await server.device()];
    const page = await admin();
    await page.goto("/sessions");
    const users = () => page.locator("#sessions tbody tr td:first-child a").allInnerTexts();
    const order = (names) => devices.map(({ username }) => names.indexOf(username));
    for (const [label, way] of [["User", "ascending"], ["User", "descending"], ["Created", "descending"], ["Created", "ascending"], ["Client IP", "ascending"]]) {
      await page.getByRole("columnheader", { name: label }).getByRole("link").click();
      await page.locator(`th[aria-sort="${way}"]`, { hasText: label }).waitFor();
      const names = await users();
      const [a, b] = order(names);
      assert.ok(a >= 0 && b >= 0, `${names}`);
      const sorted = label === "User" ? devices[0].username < devices[1].username : true;
      assert.equal(a < b, way === "ascending" ? sorted : !sorted, `${label} ${way}: ${names}`);
    }
    await page.getByRole("searchbox").fill(devices[1].username);
    await page.getByRole("button", { name: "Search" }).click();
    await page.waitForURL(/q=/);
    assert.deepEqual(await users(), [devices[1].username]);
    await closeClean(page);
  });

  test("a session is ended", async () => {
    const device = await server.device();
    const page = await admin();
    await page.goto("/sessions");
    const created = async () => (await server.call("GET", "/v1/sessions?limit=1000")).sessions.find((one) => one.username === device.username)?.created_at;
    const first = await created();
    await page.getByRole("row", { name: new RegExp(device.username) }).getByRole("button", { name: /End/ }).click();
    await waitUntil("another session", async () => (await created()) !== first);
    await closeClean(page);
  });

  test("a key is shown once, works, and is revoked", async () => {
    const page = await admin();
    await page.goto("/keys");
    await page.getByLabel("Name").fill("shop");
    await page.getByRole("button", { name: "Create" }).click();
    const key = (await page.locator("#secret").innerText()).trim();
    assert.match(await page.locator("#curl").innerText(), /curl/);
    const ask = () => fetch(`${server.url}/v1/notifications/0`, { headers: { authorization: `Bearer ${key}` } });
    assert.notEqual((await ask()).status, 401);
    await page.goto("/keys");
    assert.ok(!(await page.content()).includes(key));
    const row = page.getByRole("row", { name: /shop/ });
    await row.getByText("Revoke…").click();
    await row.getByRole("button", { name: "Revoke shop" }).click();
    await waitUntil("the key is gone", async () => (await ask()).status === 401);
    await page.goto("/audit");
    await page.locator("td", { hasText: /shop/ }).first().waitFor();
    await closeClean(page);
  });
});

describe("many users", () => {
  const count = Number(process.env.TIDINGS_CONSOLE_USERS ?? 10_000);
  const name = (n) => `paged-${String(n).padStart(5, "0")}`;
  let full;

  before(async () => {
    full = await Server.start({ accounts: count, name: "paged" });
  });
  after(async () => {
    await full?.stop();
  });

  /** The usernames on this page. */
  const shown = (page) => page.locator("#users tbody tr td:first-child a").allInnerTexts();

  /** Follows the link to the next page until there is none. */
  async function* pages(page) {
    for (;;) {
      yield await shown(page);
      const next = page.getByRole("link", { name: "Next page" });
      if (!(await next.count())) return;
      const from = page.url();
      await next.click();
      await page.waitForURL((url) => String(url) !== from);
    }
  }

  test(`${count} are paged: each is there once, in order`, async () => {
    const page = await admin({ on: full });
    await page.goto("/users");
    const seen = [];
    for await (const names of pages(page)) seen.push(...names);
    assert.deepEqual(seen, Array.from({ length: count }, (_, n) => name(n)));
    await closeClean(page);
  });

  test("headings sort, both ways, and say so; the next page goes on", async () => {
    const page = await admin({ on: full });
    await page.goto("/users");
    const heading = (label) => page.getByRole("columnheader", { name: label });
    const press = async (label, way) => {
      await heading(label).getByRole("link").click();
      await page.locator(`th[aria-sort="${way}"]`, { hasText: label }).waitFor();
      assert.equal(await page.locator("th[aria-sort]").count(), 1);
      const names = await shown(page);
      await page.getByRole("link", { name: "Next page" }).click();
      await page.waitForURL(/cursor=/);
      names.push(...(await shown(page)));
      return names;
    };
    const first = Array.from({ length: 100 }, (_, n) => name(n));
    const last = Array.from({ length: 100 }, (_, n) => name(count - 1 - n));
    assert.deepEqual(await press("Username", "descending"), last);
    assert.deepEqual(await press("Username", "ascending"), first);
    assert.deepEqual(await press("Created", "descending"), last);
    assert.deepEqual(await press("Created", "ascending"), first);
    // As `fill` has them leave: every fifth was never there, the others at moments in another order.
    const left = [...Array(count).keys()].map((n) => ({ n, ago: n % 5 === 4 ? Infinity : (n * 7919) % count }));
    const recent = [...left].sort((a, b) => (a.ago === b.ago ? b.n - a.n : a.ago - b.ago)).map(({ n }) => name(n));
    assert.deepEqual(await press("Last seen", "descending"), recent.slice(0, 100));
    await shoot(page, "many-users");
    assert.deepEqual(await press("Last seen", "ascending"), [...recent].reverse().slice(0, 100));
    await closeClean(page);
  });

  test("a search finds one of them, and keeps the order asked for", async () => {
    const page = await admin({ on: full });
    await page.goto("/users?sort=-username");
    await page.getByRole("searchbox").fill("PAGED-0004");
    await page.getByRole("button", { name: "Search" }).click();
    await page.waitForURL(/q=/);
    assert.deepEqual(await shown(page), Array.from({ length: 10 }, (_, n) => name(49 - n)));
    await page.getByRole("link", { name: name(42) }).click();
    await page.getByRole("heading", { name: name(42) }).waitFor();
    await closeClean(page);
  });

  test("one that comes online is the last seen, without reloading", async () => {
    const page = await admin({ on: full });
    await page.goto("/users?sort=-last_seen");
    const before = await shown(page);
    const device = await full.device();
    await page.getByRole("link", { name: device.username }).waitFor();
    assert.deepEqual(await shown(page), [device.username, ...before].slice(0, 50));
    await page.getByLabel("Which users").selectOption("Offline");
    await page.getByRole("button", { name: "Search" }).click();
    await page.waitForURL(/online=false/);
    assert.deepEqual(await shown(page), before);
    await closeClean(page);
  });
});

describe("one user", () => {
  test("what waits and what is past, each with its state", async () => {
    const device = await server.device("--topic", "past");
    const { username } = device;
    const send = (to, title, more) => server.call("POST", "/v1/notifications", { to, title, ...more });
    const settled = ({ id }) => waitUntil(`${id} is settled`, async () => (await server.call("GET", `/v1/notifications/${id}`)).pending === 0);
    await settled(await send({ user: username }, "Came by name"));
    await settled(await send({ topic: "past" }, "Came by topic"));
    const all = await send({ all: true }, "Came to all");
    await waitUntil("the device has it", async () => device.received.some((one) => one.title === "Came to all"));

    device.kill("SIGKILL");
    const page = await admin();
    await page.goto(`/users/${username}`);
    const past = page.locator("#past");
    await waitUntil("all is settled", async () => {
      await page.reload();
      return (await past.getByRole("row", { name: /Came to all/ }).locator(".tag.delivered").count()) === 1;
    });
    for (const title of ["Came by name", "Came by topic"]) {
      await past.getByRole("row", { name: new RegExp(title) }).locator(".tag.delivered").waitFor();
    }
    const waits = await send({ user: username }, "Still waits");
    await send({ user: username }, "Was too late", { ttl: 1 });
    const replaced = await send({ user: username }, "Was withdrawn");
    await page.locator("#pending").getByRole("link", { name: "Still waits" }).waitFor();
    await server.call("DELETE", `/v1/notifications/${replaced.id}`);
    await past.getByRole("row", { name: /Was withdrawn/ }).locator(".tag.cancelled").waitFor();
    await past.getByRole("row", { name: /Was too late/ }).locator(".tag.expired").waitFor();
    assert.equal(await past.getByRole("link", { name: "Still waits" }).count(), 0);
    await server.call("DELETE", `/v1/notifications/${waits.id}`);
    await page.locator("#pending").getByText("Nothing waits").waitFor();
    await past.getByRole("row", { name: /Came to all/ }).getByRole("link").click();
    await page.waitForURL(new RegExp(all.id));
    await closeClean(page);
  });

  test("the past goes on page by page", async () => {
    await server.call("POST", "/v1/users", { username: "historian", password: "password of hers" });
    for (let n = 0; n < 45; n += 1) {
      const { id } = await server.call("POST", "/v1/notifications", { to: { user: "historian" }, title: `Chapter ${String(n).padStart(2, "0")}` });
      await server.call("DELETE", `/v1/notifications/${id}`);
    }
    const page = await admin();
    await page.goto("/users/historian");
    const titles = [];
    for (;;) {
      titles.push(...(await page.locator("#past tbody a").allInnerTexts()));
      const older = page.locator("#past").getByRole("link", { name: "Older" });
      if (!(await older.count())) break;
      const from = page.url();
      await older.click();
      await page.waitForURL((url) => String(url) !== from);
    }
    assert.deepEqual(titles, Array.from({ length: 45 }, (_, n) => `Chapter ${String(44 - n).padStart(2, "0")}`));
    await page.locator("#past").getByRole("link", { name: "Newest" }).click();
    await page.locator("#past").getByRole("link", { name: "Chapter 44" }).waitFor();
    await closeClean(page);
  });
});

const PAGES = ["/", "/users", "/users?sort=-last_seen", "/users/new", "/sessions", "/notifications", "/notifications/new", "/topics", "/keys", "/operators", "/audit", "/password"];

describe("for everyone", () => {
  for (const scheme of ["light", "dark"]) {
    test(`axe finds nothing serious, ${scheme}`, async () => {
      const page = await admin({ colorScheme: scheme, bypassCSP: true });
      const pages = [...PAGES, "/users/mallory", "/users/historian"];
      const [newest] = (await server.call("GET", "/v1/notifications?limit=1")).notifications;
      pages.push(`/notifications/${newest.id}`);
      const found = [];
      const examine = async (at, where = page) => {
        await where.addScriptTag({ content: AXE });
        const { violations } = await where.evaluate(() => globalThis.axe.run());
        for (const violation of violations) {
          if (["serious", "critical"].includes(violation.impact)) {
            found.push(`${at}: ${violation.id}: ${violation.nodes[0].html} ${violation.nodes[0].failureSummary}`);
          }
        }
      };
      for (const at of pages) {
        await page.goto(at);
        await examine(at);
      }
      // What only a form leads to: faults, the question before a broadcast, a new key.
      await page.goto("/notifications/new");
      await page.getByRole("button", { name: "Send", exact: true }).click();
      await page.getByRole("alert").waitFor();
      await examine("compose with faults");
      await page.getByLabel(/Everyone \(/).check();
      await page.getByLabel("Title").fill("Axe");
      await page.getByRole("button", { name: "Send", exact: true }).click();
      await page.getByText(/This reaches/).waitFor();
      await examine("confirm");
      await page.goto("/keys");
      await page.getByLabel("Name").fill("axe");
      await page.getByRole("button", { name: "Create" }).click();
      await page.locator("#secret").waitFor();
      await examine("a new key");
      const stranger = await open({ colorScheme: scheme, bypassCSP: true });
      await login(stranger, "nobody", "wrong");
      await stranger.getByRole("alert").waitFor();
      await examine("login", stranger);
      await stranger.goto("/login/nowhere");
      await examine("not found", stranger);
      await stranger.context().close();
      assert.deepEqual(found, []);
      await page.context().close();
    });
  }

  test("the keyboard reaches the content and the menu", async () => {
    const page = await admin();
    await page.keyboard.press("Tab");
    assert.equal(await page.evaluate(() => document.activeElement.className), "skip");
    const reached = new Set();
    for (let n = 0; n < 30; n += 1) {
      await page.keyboard.press("Tab");
      reached.add(await page.evaluate(() => document.activeElement.textContent.trim()));
    }
    for (const name of ["Users", "Sessions", "Notifications", "Topics", "API keys", "Log out"]) assert.ok(reached.has(name), name);
    await closeClean(page);
  });

  test("nothing is wider than a phone", async () => {
    const page = await admin({ viewport: { width: 360, height: 740 } });
    for (const at of PAGES) {
      await page.goto(at);
      const over = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
      assert.ok(over <= 0, `${at} is ${over} px too wide`);
    }
    await closeClean(page);
  });

  test("screenshots", { skip: !SHOTS }, async () => {
    for (const [kind, options] of Object.entries({
      light: { colorScheme: "light", viewport: { width: 1280, height: 860 } },
      dark: { colorScheme: "dark", viewport: { width: 1280, height: 860 } },
      narrow: { colorScheme: "light", viewport: { width: 390, height: 844 } },
    })) {
      const page = await admin(options);
      const [newest] = (await server.call("GET", "/v1/notifications?limit=1")).notifications;
      for (const at of [...PAGES, `/notifications/${newest.id}`, "/users/mallory", "/users/historian"]) {
        await page.goto(at);
        await page.waitForLoadState("domcontentloaded");
        const name = at.replace(newest.id, "one").replaceAll(/[^a-z]+/g, "-").replaceAll(/^-|-$/g, "") || "dashboard";
        await shoot(page, `${name}-${kind}`);
      }
      await page.context().close();
    }
  });
});

async function shoot(page, name) {
  if (!SHOTS) return;
  fs.mkdirSync(SHOTS, { recursive: true });
  await page.screenshot({ path: path.join(SHOTS, `${name}.png`), fullPage: true });
}
