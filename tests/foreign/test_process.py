"""The process: start, stop, restart, wrong usage."""

import json
import os
import re
import stat
import subprocess
import tempfile
import unittest
import urllib.error
import urllib.parse
import urllib.request

from harness import BINARY, DOMAIN, HERE, PATIENCE, Server, wait_until
from wire import Wire


class Lifecycle(unittest.TestCase):
    def test_term_tells_every_stream(self):
        server = Server()
        self.addCleanup(server.stop)
        wires = []
        for _ in range(5):
            wire = Wire(server)
            self.addCleanup(wire.close)
            wire.login(f"u{len(wires)}", "pw", "r", register=True)
            wire.available()
            wires.append(wire)
        before_auth = Wire(server)
        self.addCleanup(before_auth.close)
        before_auth.starttls()
        self.assertEqual(server.terminate(), 0)
        for wire in [*wires, before_auth]:
            self.assertEqual(wire.stream_error(), "system-shutdown")

    def test_restart_keeps_everything(self):
        first = Server()
        self.addCleanup(first.stop)
        with Wire(first) as wire:
            wire.login("ana", "pw", "r", register=True)
        id, recipients = first.send({"user": "ana"}, title="kept")
        everyone, _ = first.send({"all": True}, title="kept too")
        self.assertEqual(recipients, 1)
        certificate = open(first.certificate()).read()
        # No farewell at all.
        first.stop(kill=True, keep=True)
        second = Server(data_dir=first.data_dir)
        self.addCleanup(second.stop)
        self.assertEqual(open(second.certificate()).read(), certificate)
        self.assertEqual(second.notification(id)["pending"], 1)
        with Wire(second) as wire:
            wire.login("ana", "pw", "r")
            wire.available()
            for wanted in (id, everyone):
                self.assertEqual(wire.headline().get("id"), wanted)
                wire.write(f"<message to='{DOMAIN}'><received xmlns='urn:xmpp:receipts' id='{wanted}'/></message>")
            second.wait_delivered(everyone, 1)
            second.wait_delivered(id, 1)

    def test_first_start(self):
        server = Server()
        self.addCleanup(server.stop)
        self.assertEqual(stat.S_IMODE(os.stat(server.data_dir).st_mode), 0o700)
        path = os.path.join(server.data_dir, "admin-password")
        self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o600)
        password = open(path).read().strip()
        self.assertGreaterEqual(len(password), 16)
        self.assertEqual(server.stderr().count(password), 1, "printed once")
        for name in os.listdir(server.data_dir):
            mode = os.stat(os.path.join(server.data_dir, name)).st_mode
            self.assertEqual(stat.S_IMODE(mode) & 0o077, 0, f"{name} is open to others")

    def test_secrets_are_nowhere_in_the_clear(self):
        server = Server()
        self.addCleanup(server.stop)
        secret = "a-password-to-look-for"
        with Wire(server) as wire:
            wire.login("ana", secret, "r", register=True)
        status, key, _ = server.call("POST", "/v1/keys", {"name": "k", "scope": "send"})
        self.assertEqual(status, 201, key)
        self.assertEqual(server.terminate(), 0)
        needles = [secret.encode(), key["key"].encode(), server.key.encode()]
        for folder, _, files in os.walk(server.data_dir):
            for name in files:
                with open(os.path.join(folder, name), "rb") as file:
                    content = file.read()
                for needle in needles:
                    self.assertNotIn(needle, content, name)
        for needle in needles:
            self.assertNotIn(needle.decode(), server.stderr())

    def test_second_server_on_the_same_data(self):
        first = Server()
        self.addCleanup(first.stop)
        result = subprocess.run(
            [BINARY, "serve", "--data-dir", first.data_dir, "--xmpp", "127.0.0.1:0", "--xmpps", "127.0.0.1:0", "--http", "127.0.0.1:0"],
            capture_output=True, text=True, timeout=PATIENCE,
            env={name: value for name, value in os.environ.items() if not name.startswith("TIDINGS_")},
        )  # fmt: skip
        self.assertEqual(result.returncode, 1, result.stderr)

    def test_port_is_taken(self):
        first = Server()
        self.addCleanup(first.stop)
        with self.assertRaisesRegex(AssertionError, "ended before it was ready"):
            Server("--xmpp", f"127.0.0.1:{first.ports['xmpp']}")


class Fail2ban(unittest.TestCase):
    FILTER = os.path.join(HERE, "..", "..", "packaging", "fail2ban", "tidings.conf")

    def refused(self, server, address, path, **request):
        url = f"http://127.0.0.1:{server.ports['http']}{path}"
        headers = {"X-Forwarded-For": address} | request.pop("headers", {})
        with self.assertRaises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(urllib.request.Request(url, headers=headers, **request), timeout=PATIENCE)
        self.assertEqual(refused.exception.code, 401)

    def addresses(self, log):
        with tempfile.NamedTemporaryFile("w", suffix=".log") as file:
            file.write(log)
            file.flush()
            found = subprocess.run(
                ["fail2ban-regex", "--out", "ip", file.name, self.FILTER], capture_output=True, text=True, timeout=PATIENCE
            )
        return found.stdout.split()

    def test_the_filter_finds_who_was_refused_and_nobody_else(self):
        forged = 'x"\n2026-12-01T00:00:00Z  WARN refused what=api-key address=198.51.100.1 \n","address":"198.51.100.2"'
        for form in ("text", "json"):
            with self.subTest(form):
                server = Server("--log-format", form)
                self.addCleanup(server.stop)
                self.refused(server, "203.0.113.9:4000", "/v1/users", headers={"Authorization": "Bearer wrong"})
                login = urllib.parse.urlencode({"username": forged, "password": "wrong"}).encode()
                self.refused(server, "[2001:db8::9]:443", "/login", data=login)
                server.terminate()
                log = server.stderr()
                self.assertEqual(self.addresses(log), ["203.0.113.9", "2001:db8::9"], log)
                # As syslog hands it on.
                logged = "".join(f"Dec  1 00:00:00 host tidings[7]: {line}\n" for line in log.splitlines())
                if form == "text":
                    self.assertEqual(self.addresses(logged), ["203.0.113.9", "2001:db8::9"], logged)


class Usage(unittest.TestCase):
    def tidings(self, *arguments, code):
        environment = {name: value for name, value in os.environ.items() if not name.startswith("TIDINGS_")}
        result = subprocess.run(
            [BINARY, *arguments], capture_output=True, text=True, timeout=PATIENCE, env=environment, stdin=subprocess.DEVNULL
        )
        self.assertEqual(result.returncode, code, result.stderr + result.stdout)
        return result

    def test_wrong_usage(self):
        for arguments in (
            ["serve", "--no-such-option"],
            ["serve", "--set", "limits.no_such_key=1"],
            ["serve", "--set", "limits.auth_seconds=soon"],
            ["serve", "--xmpp", "nowhere"],
            ["serve", "--config", "/no/such/file.toml"],
            ["send"],
            ["frobnicate"],
        ):
            with self.subTest(arguments):
                result = self.tidings(*arguments, code=2)
                self.assertEqual(result.stdout, "")
                self.assertTrue(result.stderr.strip())
                self.assertNotIn("panicked", result.stderr)

    def test_help(self):
        for command in ([], ["serve"], ["send"], ["listen"], ["account"], ["key"], ["demo"]):
            result = self.tidings(*command, "--help", code=0)
            self.assertIn("Usage", result.stdout)

    def test_version(self):
        self.assertRegex(self.tidings("--version", code=0).stdout, r"^tidings \d+\.\d+\.\d+")

    def test_demo(self):
        result = self.tidings("demo", "--once", code=0)
        self.assertTrue(result.stdout.strip())


class CommandLine(unittest.TestCase):
    """send and listen, as two people would use them."""

    def test_send_and_listen(self):
        server = Server()
        self.addCleanup(server.stop)
        account = os.path.join(server.data_dir, "device.json")
        listen = subprocess.Popen(
            [BINARY, "listen", "--server", f"127.0.0.1:{server.ports['xmpp']}", "--domain", DOMAIN, "--account", account,
             "--ca", server.certificate(), "--topic", "news", "--json", "--count", "2"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        self.addCleanup(listen.stdout.close)
        self.addCleanup(listen.stderr.close)
        self.addCleanup(listen.wait)
        self.addCleanup(listen.kill)
        wait_until("the device is subscribed", lambda: any(
            t.get("subscribers", 0) for t in server.call("GET", "/v1/topics")[1].get("topics", [])))  # fmt: skip
        ids = []
        for target in (["--topic", "news"], ["--all"]):
            sent = subprocess.run(
                [BINARY, "send", "--server", f"http://127.0.0.1:{server.ports['http']}", "--api-key", server.key, *target,
                 "--title", "Hello", "--message", "wörld", "--data", "k=v", "--priority", "high"],
                capture_output=True, text=True, timeout=PATIENCE,
            )  # fmt: skip
            self.assertEqual(sent.returncode, 0, sent.stderr)
            ids.append(sent.stdout.strip())
        out, err = listen.communicate(timeout=PATIENCE)
        self.assertEqual(listen.returncode, 0, err)
        got = [json.loads(line) for line in out.splitlines() if line.startswith("{")]
        self.assertEqual([one["id"] for one in got], ids)
        self.assertEqual(got[0]["topic"], "news")
        self.assertNotIn("topic", got[1])
        self.assertEqual((got[0]["title"], got[0]["message"], got[0]["data"]), ("Hello", "wörld", {"k": "v"}))
        self.assertTrue(re.match(r"\d{4}-\d\d-\d\dT", got[0]["sent_at"]))
        self.assertEqual(stat.S_IMODE(os.stat(account).st_mode), 0o600)
        for id in ids:
            server.wait_delivered(id, 1)
