"""A web server for the tests of the HTTP policy: it writes what it saw, one JSON object a line."""

from __future__ import annotations

import hashlib
import http.server
import json
import sys


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers everything, and tells who asked for what."""

    protocol_version = "HTTP/1.1"

    def answer(self) -> None:
        """Read the body, tell, say the same to the client."""
        size = int(self.headers.get("Content-Length") or 0)
        chunked = self.headers.get("Transfer-Encoding", "") == "chunked"
        body = self._chunks() if chunked else self.rfile.read(size)
        # a body as text, if it is short: nobody may be reading yet what is written
        short = body.decode() if len(body) < 100 else f"{len(body)} bytes {hashlib.sha256(body).hexdigest()}"
        saw = {"client": self.client_address[0], "method": self.command, "path": self.path, "body": short}
        print(json.dumps(saw), flush=True)
        said = json.dumps(saw).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(said)

    def _chunks(self) -> bytes:
        body = b""
        while size := int(self.rfile.readline().split(b";")[0], 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    do_GET = do_POST = do_DELETE = do_HEAD = do_PUT = answer  # noqa: N815

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing else."""


if __name__ == "__main__":
    server = http.server.ThreadingHTTPServer(("", int(sys.argv[1])), Handler)
    print("ready", flush=True)
    server.serve_forever()
