// Every page without a mouse, in both colour schemes, on a narrow screen, and as axe-core sees it.
import assert from "node:assert/strict";
import { describe } from "node:test";
import fs from "node:fs";

import { SHOTS, admin, close, closeClean, login, open, server, shoot, test } from "./harness.js";

const AXE = fs.readFileSync(new URL("node_modules/axe-core/axe.min.js", import.meta.url), "utf8");

const PAGES = ["/", "/users", "/users?sort=-last_seen", "/users/new", "/sessions", "/notifications", "/notifications/new", "/topics", "/keys", "/operators", "/audit", "/password"];

describe("accessibility", () => {
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
      await close(stranger);
      assert.deepEqual(found, []);
      await close(page);
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
      await close(page);
    }
  });
});
