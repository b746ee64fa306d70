# ruff: noqa: INP001 - it is sent to a host and runs there by itself
"""A toy service: answers every GET with the text of its config file, as it was when the service started."""

import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

PORT, CONFIG = int(sys.argv[1]), Path(sys.argv[2]).read_bytes()


class ConfigHandler(BaseHTTPRequestHandler):
    """Answers everything with the config."""

    def do_GET(self) -> None:
        """Send the config."""
        self.send_response(200)
        self.send_header("Content-Length", str(len(CONFIG)))
        self.end_headers()
        self.wfile.write(CONFIG)

    def log_message(self, *_words: object) -> None:
        """Log nothing."""


ThreadingHTTPServer(("127.0.0.1", PORT), ConfigHandler).serve_forever()
