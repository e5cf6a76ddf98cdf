// From the first device to a broadcast, and hostile content.
import assert from "node:assert/strict";
import { describe } from "node:test";

import { admin, close, closeClean, login, open, server, shoot, test, tile } from "./harness.js";
import { waitUntil } from "./server.js";

const HOSTILE = `<img src=x onerror="alert(1)"><script>alert(2)</script>'"&`;

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
    await page.getByText("Cancelled: who has it keeps it").waitFor();
    assert.equal((await server.call("GET", `/v1/notifications/${newest.id}`)).state, "cancelled");
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
    await close(page);

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
    await close(viewer);
  });

  test("a hostile title is text wherever it stands", async () => {
    const device = await server.device();
    const { id } = await server.call("POST", "/v1/notifications", {
      to: { user: device.username }, title: HOSTILE, message: HOSTILE, uri: `https://a.example/${HOSTILE.replaceAll(" ", "%20")}`, image: `https://a.example/?'"`, data: { [HOSTILE]: HOSTILE },
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
