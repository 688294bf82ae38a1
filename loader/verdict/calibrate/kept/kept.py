"""An HTTP server that makes reference cycles in each request, and keeps bytes of it if KEEP=1.

An object of 63 bytes takes 33 more for its head and its end: 96, a size that pymalloc has. The list takes 8 bytes for a
reference to it, and an eighth of that in reserve.
"""
import asyncio
import os

keep = os.environ.get("KEEP") == "1"
kept = []
RESPONSE = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhello\n"


class Server(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport = transport
        self.rest = b""

    def data_received(self, data):
        *requests, self.rest = (self.rest + data).split(b"\r\n\r\n")
        for _ in requests:
            cycle = [bytearray(2000)]
            cycle.append(cycle)
            if keep:
                kept.append(bytes(63))
            self.transport.write(RESPONSE)


async def main():
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Server, "127.0.0.1", int(os.environ["PORT"]), backlog=1000)
    await server.serve_forever()


asyncio.run(main())
