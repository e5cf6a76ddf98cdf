// Logging in and out.
import assert from "node:assert/strict";
import { describe } from "node:test";

import { admin, closeClean, login, open, server, test } from "./harness.js";

describe("login", () => {
  test("asks for a login, and goes on to the page that was asked for", async () => {
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
