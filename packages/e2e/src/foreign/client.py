"""A client in Python, written from docs/protocol.md alone; run by python.test.ts.

python3 client.py ENDPOINT CHANNEL OWN TOTAL

Subscribes to CHANNEL, publishes {"n": 1} to {"n": OWN} there one after the other, and prints one line of JSON for each publication that it
delivers, gap, and connection. Ends when it has delivered TOTAL publications.
"""

import asyncio
import json
import random
import sys
from urllib.parse import quote

import websockets


def parts(an_id):
    """Ids are compared by their two numbers."""
    milliseconds, number = an_id.split("-")
    return int(milliseconds), int(number)


def say(**line):
    print(json.dumps(line), flush=True)


class Client:
    def __init__(self, endpoint, channel, own, total):
        self.endpoint = endpoint
        self.channel = channel
        self.own = own
        self.total = total
        self.cursor = None
        self.established = False
        self.newest = None
        self.epoch = None
        self.delivered = 0
        # The publish that waits for its answer.
        self.next = 1

    async def run(self):
        bound = 0.5
        while self.delivered < self.total:
            try:
                async with websockets.connect(self.url(), subprotocols=["rt.v1"], compression=None) as socket:
                    say(connected=socket.subprotocol, cursor=self.cursor is not None)
                    await self.stream(socket)
                    bound = 0.5
            except (OSError, asyncio.TimeoutError, websockets.exceptions.WebSocketException):
                await asyncio.sleep(random.uniform(0, bound))
                bound = min(bound * 2, 2)

    def url(self):
        url = f"{self.endpoint}?channels={quote(self.channel)}"
        if self.cursor is not None:
            url += f"&cursor={quote(self.cursor)}"
            if not self.established:
                url += f"&new={quote(self.channel)}"
        return url

    async def stream(self, socket):
        silence = 35
        first = True
        while self.delivered < self.total:
            for event in json.loads(await asyncio.wait_for(socket.recv(), silence)):
                kind = event["type"]
                if first and kind != "hello":
                    raise OSError("This is no server of the protocol.")
                first = False
                if kind == "hello":
                    silence = 1.75 * event["heartbeat"] / 1000
                    # What was sent on the last connection may not have arrived: once more, with its messageId.
                    if self.established:
                        await self.publish(socket)
                elif kind == "cursor":
                    self.cursor = event["cursor"]
                elif kind == "subscribed":
                    self.established = True
                    self.newest = parts(event["id"])
                    self.epoch = event["epoch"]
                    self.cursor = event.get("cursor", self.cursor)
                    await self.publish(socket)
                elif kind == "message":
                    self.message(event)
                elif kind == "gap":
                    say(gap=event["reason"])
                    if event.get("epoch", self.epoch) != self.epoch:
                        self.epoch = event["epoch"]
                        self.newest = None
                elif kind == "result":
                    await self.result(socket, event)
                elif kind in ("unsubscribed", "error"):
                    raise SystemExit(json.dumps(event))
                elif kind == "bye" and "retryAfter" not in event:
                    raise SystemExit(json.dumps(event))

    async def publish(self, socket):
        if self.next > self.own:
            return
        command = {
            "type": "publish",
            "ref": self.next,
            "channel": self.channel,
            "data": {"n": self.next},
            "messageId": f"py-{self.next}",
        }
        await socket.send(json.dumps([command]))

    async def result(self, socket, event):
        if event["ref"] != self.next:
            return
        if "error" not in event:
            self.next += 1
        elif not event["error"]["retryable"]:
            raise SystemExit(json.dumps(event))
        else:
            await asyncio.sleep(event["error"].get("retryAfter", 500) / 1000)
        await self.publish(socket)

    def message(self, event):
        an_id = parts(event["id"])
        if self.newest is not None and an_id <= self.newest:
            return
        self.newest = an_id
        self.delivered += 1
        say(id=event["id"], n=event["data"]["n"])


endpoint, channel, own, total = sys.argv[1:]
asyncio.run(Client(endpoint, channel, int(own), int(total)).run())
