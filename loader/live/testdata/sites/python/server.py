"""A server that keeps a little of each request, of the kind that LEAK names; with LEAK=none it keeps nothing.

It listens on PORT of 127.0.0.1. SERVER is "threads", one a connection, or "asyncio". Its wsgi is for gunicorn.
"""
import asyncio
import collections
import functools
import http.server
import json
import os
import threading

KEPT = []
TABLE = {}
CALLBACKS = []
RECENT = collections.OrderedDict()
LOCAL = threading.local()
numbers = iter(range(1 << 62))


def none(number):
    return bytes(359)


def in_list(number):
    KEPT.append(bytes(359))


COUNT = 1 << 20


def in_counter(number):
    global COUNT
    COUNT += 1
    KEPT.append(COUNT)


class Session:
    def __init__(self, number):
        self.number = str(number)
        self.filling = bytes(1000)


def in_dict(number):
    TABLE[number] = Session(number)


class Visit:
    def __init__(self, number):
        self.number = number


def in_object(number):
    KEPT.append(Visit(number))


def in_record(number):
    dropped = dict(seen=number)
    del dropped
    KEPT.append({"number": number})


def in_closure(number):
    data = bytes(367)
    CALLBACKS.append(
        lambda: data)


@functools.lru_cache(maxsize=None)
def render(number):
    return bytes(467)


def in_cache(number):
    return render(number)


def in_thread(number):
    if not hasattr(LOCAL, "kept"):
        LOCAL.kept = []
    LOCAL.kept.append(bytes(391))


def in_buffer(number):
    KEPT.append(bytearray(4096))


def in_library(number):
    KEPT.append(json.loads('{"a": "%0100d"}' % number))


def in_cycle(number):
    node = [bytes(345)]
    node.append(node)
    KEPT.append(node)


def beside_a_bounded_cache(number):
    RECENT[number] = bytes(2000)
    if len(RECENT) > 100:
        RECENT.popitem(False)
    KEPT.append(bytes(365))


LEAKS = {
    "none": none, "list": in_list, "counter": in_counter, "dict": in_dict, "object": in_object, "record": in_record, "closure": in_closure,
    "cache": in_cache, "thread": in_thread, "buffer": in_buffer, "library": in_library, "cycle": in_cycle,
    "bounded": beside_a_bounded_cache,
}
leak = LEAKS[os.environ.get("LEAK", "none")]


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self):
        leak(next(numbers))
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, format, *args):
        pass


async def answer(reader, writer):
    try:
        while True:
            await reader.readuntil(b"\r\n\r\n")
            leak(next(numbers))
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


async def serve(port):
    server = await asyncio.start_server(answer, "127.0.0.1", port)
    async with server:
        await server.serve_forever()


def wsgi(environ, start_response):
    leak(next(numbers))
    start_response("200 OK", [("Content-Length", "2")])
    return [b"ok"]


if __name__ == "__main__":
    port = int(os.environ["PORT"])
    if os.environ.get("SERVER") == "asyncio":
        asyncio.run(serve(port))
    else:
        http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()
