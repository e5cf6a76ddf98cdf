"""What every whole-program test needs: the server in a process of its own, its HTTP API, and devices.

Only Python's standard library. Nothing here knows how the server is built; everything it relies on is what the
server's documentation promises.
"""

import glob
import json
import os
import queue
import secrets
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import urllib.error
import urllib.request

BINARY = os.environ.get("TIDINGS_BIN", "target/debug/tidings")
HERE = os.path.dirname(os.path.abspath(__file__))
DOMAIN = "localhost"
# How long anything may take before a test gives up. Nothing waits this long unless it fails.
PATIENCE = float(os.environ.get("TIDINGS_TEST_PATIENCE", "30"))


def wait_until(what, condition, patience=PATIENCE):
    """Asks until the condition holds, and answers what it answered."""
    end = time.monotonic() + patience
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() > end:
            raise AssertionError(f"waited {patience:.0f} s in vain: {what}")
        time.sleep(0.02)


class Server:
    """`tidings serve` on free ports and a data directory of its own."""

    def __init__(self, *options, data_dir=None):
        self.key = secrets.token_hex(16)
        self.data_dir = data_dir or tempfile.mkdtemp(prefix="tidings-test-")
        self.log = tempfile.TemporaryFile()
        command = [BINARY, "serve", "--data-dir", self.data_dir, "--domain", DOMAIN]
        for listener in ("xmpp", "xmpps", "http"):
            command += [f"--{listener}", "127.0.0.1:0"]
        for setting in ("limits.registrations_per_minute=0", "limits.login_failures_per_minute=0"):
            command += ["--set", setting]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("TIDINGS_")}
        environment |= {"TIDINGS_API_KEY": self.key, "TIDINGS_LOG": os.environ.get("TIDINGS_LOG", "info")}
        self.process = subprocess.Popen(
            command + list(options),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self.log,
            env=environment,
        )
        try:
            ready = self._ready_line()
            words = ready.split()
            assert words[0] == "ready", f"not a ready line: {ready!r}"
            self.ports = {}
            for word in words[1:]:
                name, _, address = word.partition("=")
                self.ports[name] = int(address.rpartition(":")[2])
        except BaseException:
            self.stop(kill=True)
            raise

    def _ready_line(self):
        line = b""
        end = time.monotonic() + PATIENCE
        while not line.endswith(b"\n"):
            if not select.select([self.process.stdout], [], [], max(0, end - time.monotonic()))[0]:
                raise AssertionError(f"no ready line\n{self.stderr()}")
            byte = os.read(self.process.stdout.fileno(), 1)
            if not byte:
                raise AssertionError(f"the server ended before it was ready\n{self.stderr()}")
            line += byte
        return line.decode().strip()

    def stderr(self):
        self.log.seek(0)
        return self.log.read().decode(errors="replace")

    def terminate(self):
        """SIGTERM; answers the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE)

    def stop(self, kill=False, keep=False):
        if self.process.poll() is None:
            self.process.kill() if kill else self.process.terminate()
            try:
                self.process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.process.stdout.close()
        if not keep:
            shutil.rmtree(self.data_dir, ignore_errors=True)

    def memory(self):
        """Resident memory, in bytes."""
        with open(f"/proc/{self.process.pid}/status") as status:
            for line in status:
                if line.startswith("VmRSS:"):
                    return int(line.split()[1]) * 1024
        raise AssertionError("no VmRSS")

    def certificate(self):
        """The file of the self-signed certificate that the first start made."""
        for path in sorted(glob.glob(os.path.join(self.data_dir, "**", "*"), recursive=True)):
            if os.path.isfile(path) and path.endswith((".pem", ".crt")):
                with open(path) as file:
                    if "BEGIN CERTIFICATE" in file.read():
                        return path
        raise AssertionError(f"no certificate in {os.listdir(self.data_dir)}")

    def call(self, method, path, body=None, key=None, headers=None):
        """A request to the API; answers (status, document or text, headers)."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.ports['http']}{path}", method=method)
        if key is not False:
            request.add_header("Authorization", f"Bearer {key or self.key}")
        if body is not None:
            if not isinstance(body, bytes):
                body = json.dumps(body).encode()
                request.add_header("Content-Type", "application/json")
            request.data = body
        for name, value in (headers or {}).items():
            request.add_header(name, value)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), NoRedirect())
        try:
            with opener.open(request, timeout=PATIENCE) as answer:
                return answer.status, read_body(answer), answer.headers
        except urllib.error.HTTPError as answer:
            with answer:
                return answer.code, read_body(answer), answer.headers

    def send(self, to, **fields):
        """Sends a notification; answers its id and the number of recipients."""
        status, document, _ = self.call("POST", "/v1/notifications", {"to": to, **fields})
        assert status == 202, (status, document)
        return document["id"], document["recipients"]

    def notification(self, id):
        status, document, _ = self.call("GET", f"/v1/notifications/{id}")
        assert status == 200, (status, document)
        total = document["delivered"] + document["pending"] + document["expired"] + document["cancelled"]
        assert total == document["recipients"], f"the counters do not add up: {document}"
        return document

    def user(self, name):
        status, document, _ = self.call("GET", f"/v1/users/{name}")
        assert status == 200, (status, document)
        return document

    def sessions(self):
        status, document, _ = self.call("GET", "/v1/sessions?limit=100")
        assert status == 200, (status, document)
        return document["sessions"]

    def wait_delivered(self, id, count):
        return wait_until(
            f"{count} deliveries of {id}: {self.notification(id)}",
            lambda: (n := self.notification(id))["delivered"] == count and n,
        )

    def wait_offline(self, name):
        wait_until(f"{name} is offline", lambda: not self.user(name)["online"])


class NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None


def read_body(answer):
    text = answer.read().decode()
    kind = answer.headers.get("Content-Type", "")
    return json.loads(text) if "json" in kind and text else text


class Device:
    """A client of another maker in a process of its own that writes one JSON object a line."""

    def __init__(self, *command, env=None):
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=sys.stderr if os.environ.get("TIDINGS_TEST_VERBOSE") else subprocess.DEVNULL,
            env={**os.environ, **(env or {})},
            text=True,
        )
        self.events = queue.Queue()
        self.seen = []
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            if line.startswith("{"):
                self.events.put(json.loads(line))
        self.events.put({"event": "ended"})

    def expect(self, event, patience=PATIENCE):
        """The next event of this name; what comes before it is kept in `seen`. A notification among that counts as
        next: the client may tell of it before it tells that it is online, each from a thread of its own."""
        if event == "notification":
            for index, early in enumerate(self.seen):
                if early["event"] == event:
                    return self.seen.pop(index)
        end = time.monotonic() + patience
        while True:
            try:
                got = self.events.get(timeout=max(0.0, end - time.monotonic()))
            except queue.Empty:
                raise AssertionError(f"no {event!r} from {self.process.args[0]}; before it: {self.seen}") from None
            if got["event"] == event:
                return got
            self.seen.append(got)
            if got["event"] == "ended":
                raise AssertionError(f"ended without {event!r}; before it: {self.seen}")

    def order(self, text):
        self.process.stdin.write(text + "\n")
        self.process.stdin.flush()

    def leave(self):
        """Lets it end by itself; answers the exit code."""
        if not self.process.stdin.closed:
            try:
                self.process.stdin.close()
            except BrokenPipeError:
                pass
        try:
            return self.process.wait(PATIENCE)
        finally:
            self.stop()

    def stop(self):
        """Cuts it off."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        if not self.process.stdin.closed:
            try:
                self.process.stdin.close()
            except BrokenPipeError:
                pass


class ServerCase(unittest.TestCase):
    """Tests that share one server, started with `OPTIONS`."""

    OPTIONS = ()

    @classmethod
    def setUpClass(cls):
        cls.server = Server(*cls.OPTIONS)

    @classmethod
    def tearDownClass(cls):
        if cls.server.process.poll() is not None and cls.server.process.returncode != 0:
            sys.stderr.write(cls.server.stderr()[-4000:])
        cls.server.stop()

    def run(self, result=None):
        before = len(result.failures) + len(result.errors) if result else 0
        outcome = super().run(result)
        if result and len(result.failures) + len(result.errors) > before:
            sys.stderr.write(f"\n--- end of the server's log, {self.id()}\n{self.server.stderr()[-3000:]}\n---\n")
        return outcome

    def name(self):
        """A user name that no account has."""
        return "u" + secrets.token_hex(6)
