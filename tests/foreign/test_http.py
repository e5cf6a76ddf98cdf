"""The HTTP API from outside, as a back end in another language meets it."""

import base64
import json
import socket
import threading
import urllib.parse

from harness import DOMAIN, ServerCase, wait_until
from wire import CLIENT, Wire


class Api(ServerCase):
    def problem(self, answer, status):
        got, document, headers = answer
        self.assertEqual(got, status, document)
        self.assertEqual(headers.get("Content-Type"), "application/problem+json")
        self.assertEqual(document["status"], status)
        for name in ("type", "title", "detail"):
            self.assertIsInstance(document[name], str, document)
        return document

    def user_of_ours(self):
        name = self.name()
        status, document, _ = self.server.call("POST", "/v1/users", {"username": name, "password": "pw of mine"})
        self.assertEqual(status, 201, document)
        return name

    def key(self, scope):
        status, document, _ = self.server.call("POST", "/v1/keys", {"name": scope, "scope": scope})
        self.assertEqual(status, 201, document)
        return document["key"], document["id"]

    def test_open_doors(self):
        for path in ("/healthz", "/readyz", "/openapi.json"):
            self.assertEqual(self.server.call("GET", path, key=False)[0], 200, path)
        document = self.server.call("GET", "/openapi.json", key=False)[1]
        self.assertTrue(document["openapi"].startswith("3.1"))

    def test_everything_else_wants_a_key(self):
        document = self.server.call("GET", "/openapi.json", key=False)[1]
        for path, operations in document["paths"].items():
            if not path.startswith("/v1/"):
                continue
            for method in operations:
                if method not in ("get", "post", "put", "patch", "delete"):
                    continue
                for key in (False, "wrong", self.server.key[:-1]):
                    concrete = path.replace("{", "x").replace("}", "")
                    self.problem(self.server.call(method.upper(), concrete, key=key, body={}), 401)

    def test_scopes(self):
        name = self.user_of_ours()
        send, _ = self.key("send")
        read, _ = self.key("read")
        notification = {"to": {"user": name}, "title": "t"}
        self.assertEqual(self.server.call("POST", "/v1/notifications", notification, key=send)[0], 202)
        self.problem(self.server.call("POST", "/v1/notifications", notification, key=read), 403)
        self.assertEqual(self.server.call("GET", "/v1/users", key=read)[0], 200)
        self.problem(self.server.call("POST", "/v1/users", {"username": "x", "password": "y"}, key=read), 403)
        self.problem(self.server.call("POST", "/v1/keys", {"name": "x", "scope": "admin"}, key=send), 403)

    def test_revoked_key(self):
        key, id = self.key("admin")
        self.assertEqual(self.server.call("GET", "/v1/stats", key=key)[0], 200)
        self.assertIn(self.server.call("DELETE", f"/v1/keys/{id}")[0], (200, 204))
        self.problem(self.server.call("GET", "/v1/stats", key=key), 401)

    def test_wrong_fields_are_named(self):
        name = self.user_of_ours()
        good = {"to": {"user": name}, "title": "t"}
        for wrong, field in (
            ({"to": {"user": name}}, "title"),
            ({**good, "to": {}}, "to"),
            ({**good, "to": {"all": True, "user": name}}, "to"),
            ({**good, "priority": "urgent"}, "priority"),
            ({**good, "ttl": -1}, "ttl"),
            ({**good, "ttl": "soon"}, "ttl"),
            ({**good, "send_at": "tomorrow"}, "send_at"),
            ({**good, "data": {"k": 1}}, "data"),
            ({**good, "no_such_field": 1}, "no_such_field"),
            ({**good, "title": 5}, "title"),
        ):
            with self.subTest(wrong):
                document = self.problem(self.server.call("POST", "/v1/notifications", wrong), 422)
                self.assertIn(field, json.dumps(document))
        self.assertEqual(self.server.user(name)["pending"], 0)

    def test_not_json(self):
        for body in (b"", b"{", b"[]", b"\xff", b"null", b'{"to":' * 10000):
            got, document, headers = self.server.call(
                "POST", "/v1/notifications", body, headers={"Content-Type": "application/json"}
            )
            self.assertIn(got, (400, 422), body[:20])
            self.assertEqual(headers.get("Content-Type"), "application/problem+json")

    def test_too_large(self):
        name = self.user_of_ours()
        body = {"to": {"user": name}, "title": "t", "message": "x" * 70_000}
        self.problem(self.server.call("POST", "/v1/notifications", body), 413)

    def test_unknown_user_is_named_and_nobody_gets_anything(self):
        name = self.user_of_ours()
        body = {"to": {"users": [name, "nobody-here"]}, "title": "t"}
        document = self.problem(self.server.call("POST", "/v1/notifications", body), 422)
        self.assertIn("nobody-here", json.dumps(document))
        self.assertEqual(self.server.user(name)["pending"], 0)

    def test_idempotency_key(self):
        name = self.user_of_ours()
        body, headers = {"to": {"user": name}, "title": "t"}, {"Idempotency-Key": self.name()}
        first = self.server.call("POST", "/v1/notifications", body, headers=headers)
        second = self.server.call("POST", "/v1/notifications", body, headers=headers)
        self.assertEqual((first[0], second[0]), (202, 202))
        self.assertEqual(first[1]["id"], second[1]["id"])
        self.assertEqual(self.server.user(name)["pending"], 1)

    def test_concurrent_repeats_of_one_idempotency_key(self):
        name = self.user_of_ours()
        body, headers = {"to": {"user": name}, "title": "t"}, {"Idempotency-Key": self.name()}
        answers = []

        def call():
            answers.append(self.server.call("POST", "/v1/notifications", body, headers=headers))

        threads = [threading.Thread(target=call) for _ in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        accepted = {document["id"] for status, document, _ in answers if status == 202}
        self.assertEqual(len(accepted), 1, answers)
        self.assertEqual(self.server.user(name)["pending"], 1)

    def test_cancel(self):
        name = self.user_of_ours()
        id, _ = self.server.send({"user": name}, title="t", send_at="2099-01-01T00:00:00Z")
        self.assertIn(self.server.call("DELETE", f"/v1/notifications/{id}")[0], (200, 204))
        self.assertEqual(self.server.notification(id)["cancelled"], 1)
        self.assertEqual(self.server.user(name)["pending"], 0)

    def test_collapse_and_expiry(self):
        name = self.user_of_ours()
        first, _ = self.server.send({"user": name}, title="1", collapse_key="k")
        second, _ = self.server.send({"user": name}, title="2", collapse_key="k")
        self.assertEqual(self.server.notification(first)["cancelled"], 1)
        self.assertEqual(self.server.notification(second)["pending"], 1)
        brief, _ = self.server.send({"user": name}, title="3", ttl=1)
        wait_until("expiry", lambda: self.server.notification(brief)["expired"] == 1)
        with Wire(self.server) as wire:
            wire.login(name, "pw of mine", "r")
            wire.available()
            self.assertEqual(wire.headline().get("id"), second)
            wire.ping()
            # The server's own ping may be among what came.
            self.assertEqual([element for element in wire.elements if element.tag == CLIENT + "message"], [])

    def test_removed_account(self):
        name = self.user_of_ours()
        id, _ = self.server.send({"user": name}, title="t")
        self.assertIn(self.server.call("DELETE", f"/v1/users/{name}")[0], (200, 204))
        self.assertEqual(self.server.notification(id)["cancelled"], 1)
        self.problem(self.server.call("GET", f"/v1/users/{name}"), 404)

    def test_users_are_paged(self):
        names = {self.user_of_ours() for _ in range(25)}
        found, cursor = set(), ""
        for _ in range(100):
            _, document, _ = self.server.call("GET", f"/v1/users?limit=7{cursor}")
            self.assertLessEqual(len(document["users"]), 7)
            found |= {user["username"] for user in document["users"]}
            if document["next"] is None:
                break
            cursor = "&cursor=" + urllib.parse.quote(document["next"])
        self.assertLessEqual(names, found)
        self.problem(self.server.call("GET", "/v1/users?cursor=garbage"), 422)

    def test_androidpn_form(self):
        name = self.user_of_ours()
        form = {"broadcast": "N", "username": name, "title": "t", "message": "m", "uri": "tel:110"}

        def post(form, **options):
            body = urllib.parse.urlencode(form).encode()
            headers = {"Content-Type": "application/x-www-form-urlencoded", **options.pop("headers", {})}
            return self.server.call("POST", "/notification.do?action=send", body, headers=headers, **options)

        self.assertEqual(post(form)[0], 302)
        self.assertEqual(post({**form, "api_key": self.server.key}, key=False)[0], 302)
        basic = base64.b64encode(f"any:{self.server.key}".encode()).decode()
        self.assertEqual(post(form, key=False, headers={"Authorization": f"Basic {basic}"})[0], 302)
        self.assertEqual(self.server.user(name)["pending"], 3)
        for wrong in (post(form, key=False), post(form, key="wrong"), post({**form, "api_key": "x"}, key=False)):
            self.assertEqual(wrong[0], 401)
        self.assertEqual(self.server.user(name)["pending"], 3)
        self.assertEqual(post({**form, "broadcast": "Y"})[0], 302)
        self.assertEqual(self.server.user(name)["pending"], 4)

    def test_events(self):
        name = self.user_of_ours()
        with socket.create_connection(("127.0.0.1", self.server.ports["http"]), 30) as stream:
            request = f"GET /v1/events HTTP/1.1\r\nHost: {DOMAIN}\r\nAuthorization: Bearer {self.server.key}\r\n\r\n"
            stream.sendall(request.encode())
            text = b""
            while b"\r\n\r\n" not in text:
                text += stream.recv(65536)
            self.assertIn(b"200", text.split(b"\r\n")[0])
            self.assertIn(b"text/event-stream", text.lower())
            id, _ = self.server.send({"user": name}, title="t")
            with Wire(self.server) as wire:
                wire.login(name, "pw of mine", "r")
                wire.available()
                wire.headline()
                wire.write(f"<message to='{DOMAIN}'><received xmlns='urn:xmpp:receipts' id='{id}'/></message>")
                self.server.wait_delivered(id, 1)
            for event in (b"accepted", b"presence", b"delivered"):
                while b"event: " + event not in text and b"event:" + event not in text:
                    data = stream.recv(65536)
                    self.assertTrue(data, f"no {event} in {text}")
                    text += data
            self.assertIn(id.encode(), text)

    def test_metrics(self):
        status, text, _ = self.server.call("GET", "/metrics")
        self.assertEqual(status, 200)
        self.assertIn("# TYPE ", text)

    def test_console_asks_for_a_login(self):
        status, text, headers = self.server.call("GET", "/", key=False)
        self.assertIn(status, (302, 303, 307))
        self.assertTrue(headers["Location"].endswith("/login"))
