"""A camera that speaks MQTT 3.1.1, written from the standard, not from our server: it publishes and hears answers."""

import asyncio
import contextlib


def text(words):
    raw = words.encode()
    return len(raw).to_bytes(2, "big") + raw


def packet(first, body):
    left, length = len(body), b""
    while True:
        left, low = divmod(left, 128)
        length += bytes([low | 128 if left else low])
        if not left:
            return bytes([first]) + length + body


def connect(user, password, *, version=4, name="MQTT", keep_alive=60):
    head = text(name) + bytes([version, 0b11000010]) + keep_alive.to_bytes(2, "big")
    return packet(0x10, head + text("a-camera") + text(user) + text(password))


def publish(topic, payload, number=0, *, qos=1, again=False, retained=False):
    first = 0x30 | again << 3 | qos << 1 | retained
    return packet(first, text(topic) + (number.to_bytes(2, "big") if qos else b"") + payload)


def subscribe(wanted, number):
    return packet(0x82, number.to_bytes(2, "big") + text(wanted) + b"\1")


class Camera:
    def __init__(self, reader, writer):
        self.reader, self.writer = reader, writer

    async def say(self, raw):
        self.writer.write(raw)
        await self.writer.drain()

    async def hear(self):
        """The next answer's bytes, b"" when the line was closed."""
        try:
            head = await self.reader.readexactly(2)
            return head + await self.reader.readexactly(head[1])
        except (asyncio.IncompleteReadError, ConnectionError):
            return b""

    async def ask(self, raw):
        await self.say(raw)
        return await self.hear()


@contextlib.asynccontextmanager
async def camera(port, tls=None):
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=tls)
    try:
        yield Camera(reader, writer)
    finally:
        writer.close()
