"""An issuer of SciTokens: publishes its key over HTTPS, and nothing else.

Run beside a sandbox as ``python -m interop.issuer PLACE PORT``; ``PLACE`` has the
certificate ``host.pem`` with its key ``host.key``, and ``jwks.json``.
"""

from __future__ import annotations

import json
import ssl
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

__all__ = ["serve"]


class _Pages(BaseHTTPRequestHandler):
    """The two pages that verifiers ask for."""

    place: Path
    url: str

    def do_GET(self) -> None:
        """Answer one request."""
        if self.path.startswith("/.well-known/"):
            body = json.dumps({"issuer": self.url, "jwks_uri": f"{self.url}/jwks"})
        elif self.path == "/jwks":
            body = (self.place / "jwks.json").read_text()
        else:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())


def serve(place: Path, port: int) -> None:
    """Serve until the process ends.

    Args:
        place: Where the files are.
        port: The port on loopback.
    """
    pages = type(
        "Pages", (_Pages,), {"place": place, "url": f"https://localhost:{port}"}
    )
    server = ThreadingHTTPServer(("127.0.0.1", port), pages)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(place / "host.pem", place / "host.key")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.serve_forever()


if __name__ == "__main__":
    serve(Path(sys.argv[1]), int(sys.argv[2]))
