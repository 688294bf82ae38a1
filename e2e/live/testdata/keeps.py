"""A threaded Python server on HOST:PORT. What it does with each request is its argument."""
import ctypes
import gc
import http.server
import mmap
import os
import sys

libc = ctypes.CDLL(None)
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
libc.malloc.restype = ctypes.c_void_p
kept = []


class Node:
    def __init__(self):
        self.self = self
        self.filling = bytes(1000)


def cycles():
    Node()  # garbage that only a collection of its generation frees


def old_cycles():
    node = Node()
    gc.collect(0)
    gc.collect(1)  # the node is alive, so it is of the oldest generation now
    del node


def objects():
    kept.append(bytes(200))


def extension():
    address = libc.mmap(None, 4096, mmap.PROT_READ | mmap.PROT_WRITE, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, -1, 0)
    ctypes.memset(address, 1, 4096)


def malloc():
    libc.malloc(200)


def nothing():
    pass


does = {f.__name__: f for f in (cycles, old_cycles, objects, extension, malloc, nothing)}[sys.argv[1]]


class Hello(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # an answer in one piece
    disable_nagle_algorithm = True

    def do_GET(self):
        does()
        body = b"Hello, warp!"
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


http.server.ThreadingHTTPServer((os.environ["HOST"], int(os.environ["PORT"])), Hello).serve_forever()
