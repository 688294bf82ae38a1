"""A WSGI application that says hello, and keeps KEEP bytes a request."""
import os

KEEP = int(os.environ.get("KEEP", "0"))
kept = []


def app(environ, start_response):
    if KEEP:
        kept.append(bytearray(KEEP))
    body = b"Hello, warp!"
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
