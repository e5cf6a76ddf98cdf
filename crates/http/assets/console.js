// The console's only script. Everything works without it but the live parts.
"use strict";
(() => {
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];

  // ---- times: the server writes UTC, people read their own ----
  const two = (n) => String(n).padStart(2, "0");
  const local = (root) => all("time[datetime]", root).forEach((time) => {
    const at = new Date(time.dateTime);
    if (Number.isNaN(at.getTime())) return;
    time.title = time.dateTime;
    const now = new Date();
    const clock = `${two(at.getHours())}:${two(at.getMinutes())}`;
    if (at.toDateString() === now.toDateString()) {
      time.textContent = `${clock}:${two(at.getSeconds())}`;
    } else if (at.getFullYear() === now.getFullYear()) {
      time.textContent = `${at.toLocaleDateString("en-GB", { day: "numeric", month: "short" })} ${clock}`;
    } else {
      time.textContent = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())} ${clock}`;
    }
  });
  local(document);

  // ---- live parts: when something happened, fetch the page again and put in what changed ----
  const due = new Set();
  let timer = 0;
  let busy = false;

  const edited = (node) => {
    const active = document.activeElement;
    const typing = active && node.contains(active) && active.matches("input, textarea, select, summary");
    return typing || node.querySelector("details[open]");
  };

  const refresh = async () => {
    timer = 0;
    if (document.hidden || busy) return;
    const stale = all("[data-refresh]").filter((node) =>
      node.dataset.refresh.split(" ").some((name) => due.has(name)));
    due.clear();
    if (!stale.length) return;
    busy = true;
    try {
      const answer = await fetch(location.href, { headers: { accept: "text/html" } });
      if (answer.redirected) return location.reload();
      if (!answer.ok) return;
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
      for (const node of stale) {
        const next = fresh.getElementById(node.id);
        if (!next || edited(node)) continue;
        local(next);
        if (next.innerHTML !== node.innerHTML) {
          const focused = node.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
          node.replaceWith(next);
          if (focused) all("a[href]", next).find((a) => a.getAttribute("href") === focused)?.focus();
        }
      }
    } catch {
      // The stream says when the server is back.
    } finally {
      busy = false;
      plan();
    }
  };
  const plan = () => {
    if (due.size && !timer) timer = setTimeout(refresh, 250);
  };

  if (document.querySelector("[data-refresh]")) {
    const light = document.getElementById("live");
    let source = null;
    const say = (on, words) => {
      light.hidden = false;
      light.querySelector(".dot").className = on ? "dot on" : "dot bad";
      light.querySelector("span:last-child").textContent = words;
    };
    const listen = () => {
      source = new EventSource("/live");
      source.addEventListener("change", (event) => {
        event.data.split(" ").forEach((name) => due.add(name));
        plan();
      });
      source.addEventListener("open", () => say(true, "live"));
      source.addEventListener("error", () => {
        const over = source.readyState === EventSource.CLOSED;
        say(false, over ? "not live: load the page again" : "reconnecting");
      });
    };
    const rest = () => {
      source?.close();
      source = null;
    };
    // A hidden page needs no connection: browsers allow only a few to one server.
    document.addEventListener("visibilitychange", () => {
      if (document.hidden) return rest();
      if (!source) {
        listen();
        ["presence", "notifications", "tick"].forEach((name) => due.add(name));
      }
      plan();
    });
    addEventListener("pagehide", rest);
    if (!document.hidden) listen();
  }

  // ---- compose: preview, audience, completion ----
  const compose = document.getElementById("compose");
  if (compose) {
    const field = (name) => compose.elements.namedItem(name);
    const show = (id, text, placeholder) => {
      const node = document.getElementById(id);
      node.textContent = text || placeholder || "";
      node.hidden = !text && !placeholder;
      node.dataset.empty = String(!text);
    };
    const picture = document.getElementById("preview-picture");
    const preview = () => {
      show("preview-title", field("title").value, "Title");
      show("preview-text", field("message").value, "The message appears here.");
      show("preview-uri", field("uri").value);
      const pictured = picture.src && !picture.hidden && picture.getAttribute("src") === field("image").value.trim();
      show("preview-image", !pictured && field("image").value && `image: ${field("image").value}`);
      const urgency = document.getElementById("preview-urgency");
      urgency.textContent = urgency.dataset[field("priority").value] ?? "";
      const audience = field("audience").value;
      all("[data-audience]", compose).forEach((node) => {
        node.hidden = node.dataset.audience !== audience;
      });
      // Of the chosen day: summer time may lie between.
      const chosen = new Date(field("send_at").value || Date.now());
      const zone = -chosen.getTimezoneOffset();
      field("zone").value = String(zone);
      const label = document.getElementById("zone-name");
      label.textContent = Intl.DateTimeFormat().resolvedOptions().timeZone || "your time";
    };
    compose.addEventListener("input", preview);
    preview();

    // Only what was typed here is fetched: an address that came with the page may be an attacker's.
    field("image").addEventListener("change", () => {
      picture.hidden = true;
      const address = field("image").value.trim();
      if (address.startsWith("https://")) picture.src = address;
      else picture.removeAttribute("src");
      preview();
    });
    picture.addEventListener("load", () => {
      picture.hidden = false;
      preview();
    });
    picture.addEventListener("error", () => {
      picture.hidden = true;
      preview();
    });

    // ---- how many it reaches ----
    const reach = document.getElementById("reach");
    let counting = 0;
    const count = async () => {
      const [audience, named, topic] = ["audience", "users", "topic"].map((name) => field(name).value);
      const mine = (counting += 1);
      await new Promise((resolve) => setTimeout(resolve, 250));
      if (mine !== counting) return;
      const query = new URLSearchParams({ audience, users: named, topic });
      const answer = await fetch(`/reach?${query}`).catch(() => null);
      if (mine !== counting) return;
      reach.textContent = (answer?.ok && !answer.redirected && (await answer.json())) || "";
    };
    ["audience", "users", "topic"].forEach((name) =>
      all(`[name="${name}"]`, compose).forEach((input) => input.addEventListener("input", count)));
    count();

    const users = field("users");
    const names = document.getElementById("names");
    let asked = "";
    users.addEventListener("input", async () => {
      const parts = users.value.split(/([\s,]+)/);
      const last = parts.pop();
      if (!last || last === asked) return;
      asked = last;
      const answer = await fetch(`/complete?q=${encodeURIComponent(last)}`);
      if (!answer.ok || answer.redirected || asked !== last) return;
      const found = await answer.json();
      names.replaceChildren(...found.map((name) => {
        const option = document.createElement("option");
        option.value = parts.join("") + name;
        return option;
      }));
    });
  }

  // ---- copy buttons ----
  all("[data-copy]").forEach((button) => {
    if (!navigator.clipboard) return;
    button.hidden = false;
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent);
      button.textContent = "Copied";
    });
  });
})();
