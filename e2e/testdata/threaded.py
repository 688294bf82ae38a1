"""A threaded Python server that says hello on HOST:PORT, and keeps LEAK bytes a request."""
import http.server
import os

LEAK = int(os.environ.get("LEAK", "0"))
kept = []


class Hello(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # an answer in one piece
    disable_nagle_algorithm = True

    def do_GET(self):
        if LEAK:
            kept.append(bytearray(LEAK))
        body = b"Hello, warp!"
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


http.server.ThreadingHTTPServer((os.environ["HOST"], int(os.environ["PORT"])), Hello).serve_forever()
