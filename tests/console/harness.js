// A browser, a server, and what every test does with them.
import assert from "node:assert/strict";
import { after, before, test as nodeTest } from "node:test";
import fs from "node:fs";
import path from "node:path";

import { chromium } from "playwright-core";

import { TIMEOUT_MS, Server } from "./server.js";

/** Where pictures of the pages go, if it is set. */
export const SHOTS = process.env.TIDINGS_SCREENSHOTS;

/** A test fails after so long, whatever it waits for: playwright's own limits do not cover everything. */
const LONGEST = 240_000;
/** How long a page or the browser has to close. */
const GOODBYE = 5_000;

let browser;
export let server;

export const test = (name, ...rest) => {
  const [options, run] = rest.length > 1 ? rest : [{}, ...rest];
  return nodeTest(name, { timeout: LONGEST, ...options }, run);
};

export async function open({ on = server, ...options } = {}) {
  const context = await browser.newContext({ baseURL: on.url, locale: "en-GB", timezoneId: "Europe/Vienna", ...options });
  context.setDefaultTimeout(TIMEOUT_MS);
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

export async function login(page, name = "admin", password = server.password) {
  await page.goto("/login");
  await page.getByLabel("Name").fill(name);
  await page.getByLabel("Password").fill(password);
  await page.getByRole("button", { name: "Log in" }).click();
}

export async function admin(options) {
  const page = await open(options);
  await login(page);
  await page.getByRole("heading", { name: "Dashboard" }).waitFor();
  return page;
}

/** The number in the tile of this name. */
export const tile = async (page, name) => {
  const text = await page.locator("dl.tiles > div", { has: page.locator("dt", { hasText: new RegExp(`^${name}$`) }) }).locator("dd").first().innerText();
  return Number.parseInt(text.replaceAll(/[^\d\n]/g, ""), 10);
};

/** What comes of `promise`, or false after GOODBYE. */
async function inTime(promise) {
  let timer;
  const over = new Promise((resolve) => {
    timer = setTimeout(() => resolve(false), GOODBYE);
  });
  try {
    return await Promise.race([promise.then(() => true), over]);
  } finally {
    clearTimeout(timer);
  }
}

/** Chromium may never answer when a page is closed in the middle of a navigation; that is not what is tested. */
export async function close(page) {
  if (!(await inTime(page.context().close()))) console.warn("a page did not close");
}

export async function closeClean(page) {
  assert.deepEqual(page.faults, []);
  await close(page);
}

export async function shoot(page, name) {
  if (!SHOTS) return;
  fs.mkdirSync(SHOTS, { recursive: true });
  await page.screenshot({ path: path.join(SHOTS, `${name}.png`), fullPage: true });
}

before(async () => {
  server = await Server.start();
  browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
  });
});

after(async () => {
  // The runner is told not to wait for a browser that stays (--test-force-exit).
  if (browser) await inTime(browser.close());
  await server?.stop();
});
