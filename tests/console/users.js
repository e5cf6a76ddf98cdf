// Users, their sessions and what they have had, and keys.
import assert from "node:assert/strict";
import { after, before, describe } from "node:test";

import { admin, closeClean, server, shoot, test } from "./harness.js";
import { Server, waitUntil } from "./server.js";

describe("users, sessions and keys", () => {
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
    // As `fill` has them leave: every fifth was never online, the rest left in another order.
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
