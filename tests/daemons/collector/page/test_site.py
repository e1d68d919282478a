"""Tests of the site: files, headers, who gets in, connections."""

from __future__ import annotations

from typing import Any

from twisted.internet.testing import EventLoggingObserver
from twisted.logger import globalLogPublisher
from twisted.web.resource import Resource

from condor_twisted.daemons.collector.page import PageLimits
from tests.daemons.collector.page.kit import PageTestCase


class FileTests(PageTestCase):
    """The page itself."""

    def test_page(self) -> None:
        """The page, its style and its script are there, each with its type."""
        for path, kind, part in (
            ("/", "text/html; charset=utf-8", b"<!doctype html>"),
            ("/page.css", "text/css; charset=utf-8", b"prefers-color-scheme: dark"),
            ("/page.js", "text/javascript; charset=utf-8", b"EventSource"),
        ):
            answer = self.request(path)
            self.assertEqual(
                (answer.status, answer.headers["content-type"]), (200, kind)
            )
            self.assertIn(part, answer.body)

    def test_nothing_from_elsewhere(self) -> None:
        """The files name no other host, and the script writes no markup."""
        for path in ("/", "/page.css", "/page.js"):
            body = self.request(path).body.replace(b"http://www.w3.org/2000/svg", b"")
            self.assertNotIn(b"//cdn", body)
            self.assertNotRegex(body, rb"https?:")
            for markup in (b"innerHTML", b"outerHTML", b"insertAdjacent", b"eval("):
                self.assertNotIn(markup, body)
            self.assertNotRegex(body, rb"<[^>]+ (style|on[a-z]+)=")

    def test_not_modified(self) -> None:
        """Who has a file already is told so."""
        tag = self.request("/page.js").headers["etag"]
        answer = self.request("/page.js", headers={"If-None-Match": tag})
        self.assertEqual((answer.status, answer.body), (304, b""))

    def test_head(self) -> None:
        """HEAD gives the headers of GET and no body."""
        paths = ("/", "/healthz", "/metrics", "/api/v1/ads", "/api/v1/changes", "/x")
        for path in paths:
            answer = self.request(path, "HEAD")
            self.assertEqual(answer.status, 404 if path == "/x" else 200)
            self.assertEqual(answer.body, b"")
            self.assertIn("content-type", answer.headers)
            self.assertNotIn("transfer-encoding", answer.headers)

    def test_nothing_else(self) -> None:
        """Other paths are errors in JSON."""
        for path in ("/x", "/api", "/api/v1", "/api/v1/", "/api/v2/ads", "/static/"):
            answer = self.request(path)
            self.assertEqual((answer.status, answer.json["status"]), (404, 404), path)

    def test_headers(self) -> None:
        """Every answer keeps browsers from guessing, framing and running things."""
        for path in ("/", "/healthz", "/api/v1/ads", "/api/v1/ads?bad=1", "/nothing"):
            headers = self.request(path, headers={"Origin": "http://evil"}).headers
            self.assertEqual(headers["x-content-type-options"], "nosniff")
            self.assertIn("default-src 'none'", headers["content-security-policy"])
            self.assertNotIn("unsafe", headers["content-security-policy"])
            self.assertEqual(headers["server"], "condor_twisted")
            self.assertNotIn("access-control-allow-origin", headers)

    def test_health(self) -> None:
        """The health check answers 200 at once, and tells when the warm-up is over."""
        answer = self.request("/healthz")
        self.assertEqual((answer.status, answer.body), (200, b"warming-up"))
        self.pool.now += 300
        self.assertEqual(self.request("/healthz").body, b"ready")


class AdmissionTests(PageTestCase):
    """Who gets an answer."""

    def test_methods(self) -> None:
        """Nothing but GET and HEAD is answered, and no body is kept."""
        for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW"):
            answer = self.request(
                "/api/v1/ads", method, {"Content-Length": "4"}, b"body"
            )
            self.assertEqual(answer.status, 405, method)
            self.assertEqual(answer.headers["allow"], "GET, HEAD")

    def test_form(self) -> None:
        """A form that is posted is not even read."""
        kind = "multipart/form-data; boundary=x"
        answer = self.request(
            "/", "POST", {"Content-Type": kind, "Content-Length": "4"}, b"--x-"
        )
        self.assertIn(answer.status, (400, 405))

    def test_host(self) -> None:
        """On loopback only loopback's names, and those that were allowed, are ours."""
        good = ("localhost", "LOCALHOST:9680", "127.0.0.1", "127.9.9.9:1", "[::1]:9680")
        for host in (*good, "localhost.", "proxy", "[::ffff:127.0.0.1]"):
            answer = self.request("/api/v1/ads", headers={"Host": host})
            self.assertEqual(answer.status, 200, host)
        bad = ("evil.example", "localhost.evil.example", "127.0.0.1.evil", "10.0.0.1")
        for host in (*bad, "", "[fe80::1]", "@localhost", "evil:localhost", "\x7f"):
            answer = self.request("/api/v1/ads", headers={"Host": host})
            self.assertEqual(answer.status, 421, host)

    def test_no_host(self) -> None:
        """None, or two, are no Host."""
        for lines in (b"", b"Host: localhost\r\nHost: evil\r\n"):
            client, _ = self.connect()
            assert client.transport is not None
            client.transport.write(b"GET / HTTP/1.1\r\n" + lines + b"\r\n")
            self.reactor.flush()
            self.assertEqual(client.status, 400)

    def test_other_sites(self) -> None:
        """A browser on another site's page gets nothing, unless it follows a link."""
        for site, mode, status in (
            ("cross-site", "no-cors", 403),
            ("same-site", "cors", 403),
            ("cross-site", "navigate", 200),
            ("same-origin", "cors", 200),
            ("none", "navigate", 200),
        ):
            headers = {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": mode}
            self.assertEqual(self.request("/", headers=headers).status, status)

    def test_may_not_read(self) -> None:
        """Who may not read gets nothing but the health; that is logged once."""
        events = EventLoggingObserver()
        globalLogPublisher.addObserver(events)
        self.addCleanup(globalLogPublisher.removeObserver, events)
        self.view.refuses = True
        for path in ("/", "/metrics", "/api/v1/ads", "/api/v1/changes"):
            self.assertEqual(self.request(path).status, 403)
        self.assertEqual(self.request("/healthz").status, 200)
        refused = [e for e in events if "PERMISSION DENIED" in str(e["log_format"])]
        self.assertEqual([event["host"] for event in refused], ["127.0.0.1"])

    def test_mnh_0_2_long_uri(self) -> None:
        """A path and query beyond the limit are refused."""
        size = self.limits.uri_bytes - len("/healthz?")
        self.assertEqual(self.request("/healthz?" + "x" * size).status, 200)
        self.assertEqual(self.request("/healthz?" + "x" * (size + 1)).status, 414)


class OtherInterfaceTests(PageTestCase):
    """A site that is not on loopback."""

    interface = "192.0.2.1"

    def test_any_name(self) -> None:
        """It answers to whatever name leads to it."""
        answer = self.request("/", headers={"Host": "pool.example"})
        self.assertEqual(answer.status, 200)


class ConnectionTests(PageTestCase):
    """Connections: how many, how long."""

    limits = PageLimits(connections=4, connections_per_host=3, body_bytes=100)

    def test_mnh_2_1_slow_request(self) -> None:
        """A request that arrives byte by byte costs its connection."""
        client, _ = self.connect()
        assert client.transport is not None
        for byte in b"GET / HTTP/1.1\r\nHost":
            client.transport.write(bytes([byte]))
            self.reactor.flush()
            self.assertFalse(client.is_closed)
            self.reactor.advance(1)
        self.reactor.flush()
        self.assertTrue(client.is_closed)

    def test_mnh_2_9_idle(self) -> None:
        """A connection may be used again for a while; then it is closed."""
        client, _ = self.send("/healthz")
        self.reactor.flush()
        assert client.transport is not None
        for _ in range(3):
            self.reactor.advance(self.limits.stall_seconds - 1)
            client.transport.write(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            self.reactor.flush()
        self.assertEqual(client.received.count(b"200 OK"), 4)
        self.reactor.advance(self.limits.stall_seconds - 1)
        self.reactor.flush()
        self.assertFalse(client.is_closed)
        self.reactor.advance(1)
        self.reactor.flush()
        self.assertTrue(client.is_closed)

    def test_pipelined(self) -> None:
        """Requests sent together are answered in their order."""
        client, _ = self.connect()
        assert client.transport is not None
        one = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
        two = b"GET /api/v1/ads HTTP/1.1\r\nHost: localhost\r\n\r\n"
        client.transport.write(one + two + one)
        self.reactor.flush()
        self.assertEqual(client.received.count(b"200 OK"), 3)

    def test_mnh_1_22_connections(self) -> None:
        """So many connections from one address and no more; closed ones count not."""
        clients = [self.connect()[0] for _ in range(3)]
        self.assertTrue(all(each.transport for each in clients))
        self.assertIsNone(self.connect()[0].transport)
        clients[0].transport.loseConnection()  # type: ignore[union-attr]
        self.reactor.flush()
        self.assertIsNotNone(self.connect()[0].transport)

    def test_mnh_0_6_body(self) -> None:
        """Of a long body nothing is kept, and soon nothing more is read."""
        client, _ = self.send("/", "POST", {"Content-Length": "1000000"}, b"x" * 100)
        self.reactor.flush()
        self.assertFalse(client.is_closed)
        assert client.transport is not None
        client.transport.write(b"x")
        self.reactor.flush()
        self.assertTrue(client.is_closed)
        self.assertEqual(client.received, b"")

    def test_nonsense(self) -> None:
        """What is no HTTP ends the connection, and nothing else."""
        for junk in (b"\0\0\0\1\0", b"GET\r\n\r\n", b"\x16\x03\x01\x02\0" * 10):
            client, _ = self.connect()
            assert client.transport is not None
            client.transport.write(junk + b"\r\n\r\n")
            self.reactor.advance(self.limits.request_seconds)
            self.reactor.flush()
            self.assertTrue(client.is_closed)

    def test_mnh_3_3_broken_resource(self) -> None:
        """A fault of ours is a 500 without details, and is logged."""

        class Broken(Resource):
            def render_GET(self, request: Any) -> bytes:
                raise RuntimeError("a secret path")

        self.site.resource.putChild(b"broken", Broken())
        answer = self.request("/broken")
        self.assertEqual(answer.status, 500)
        self.assertNotIn(b"secret path", answer.received)
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)

    def test_protocols(self) -> None:
        """Over TLS nothing but HTTP/1.1 is spoken."""
        self.assertEqual(self.site.acceptableProtocols(), [b"http/1.1"])
