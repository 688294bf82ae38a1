"""A threaded Python server that says hello on HOST:PORT, and keeps KEEP bytes a request."""
import http.server
import os

KEEP = int(os.environ.get("KEEP", "0"))
kept = []


class Hello(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # an answer in one piece
    disable_nagle_algorithm = True

    def do_GET(self):
        if KEEP:
            kept.append(bytearray(KEEP))
        body = b"Hello, warp!"
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


http.server.ThreadingHTTPServer((os.environ["HOST"], int(os.environ["PORT"])), Hello).serve_forever()
