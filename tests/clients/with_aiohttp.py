"""Follows a stream with the package `aiohttp`, on Python 3.10 or newer:

    pip install aiohttp
    python with_aiohttp.py http://127.0.0.1:8080/events/acme

Prints the cursor and the push id of each push. aiohttp knows nothing of Server-Sent Events; the parser below is all it takes.
"""

import asyncio
import json
import os
import sys

import aiohttp

url = sys.argv[1]
token = os.environ.get("PUSHGATE_TOKEN")

# A stream has no end, so no total. An idle one carries a comment every 15 s: a line that is silent for three of them is dead.
TIMEOUT = aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=45)
# aiohttp refuses lines of more than twice this, and a push is one line: 4 MiB of text are at most 24 MiB in JSON.
LINE = 16 << 20

# A push may come twice, if seldom: what it causes must happen once. Here the last push ids are remembered. Where a push
# changes a database, let a unique key on the push id do it, in the same transaction.
handled: dict[str, None] = {}


def handle(push, cursor):
    if push["id"] in handled:
        print(f"again: {push['id']}", file=sys.stderr)
        return
    print(cursor, push["id"], flush=True)
    handled[push["id"]] = None
    if len(handled) > 10_000:
        del handled[next(iter(handled))]


async def events(content):
    """The events of a stream: dictionaries of their fields. One that a break cut in two never appears."""
    event = {}
    async for line in content:
        name, _, value = line.decode(errors="replace").rstrip("\n").partition(":")
        value = value.removeprefix(" ")
        if name == "data" and "data" in event:
            event["data"] += "\n" + value
        elif name:
            event[name] = value
        elif not line.strip() and event:
            yield event
            event = {}


async def main():
    # The cursor of the last event that was handled. Keep it with what you do for a push to resume after a restart of this
    # program too.
    cursor = ""
    # The last `retry:` of the gateway: spread, so that not everybody comes back in one moment.
    retry = 3.0
    async with aiohttp.ClientSession(timeout=TIMEOUT, read_bufsize=LINE) as session:
        while True:
            headers = {"Accept": "text/event-stream"}
            if token:
                headers["Authorization"] = f"Bearer {token}"
            if cursor:
                headers["Last-Event-ID"] = cursor
            try:
                async with session.get(url, headers=headers) as response:
                    if response.status == 204:
                        sys.exit("the tenant was removed")
                    if 400 <= response.status < 500 and response.status not in (408, 429):
                        sys.exit(f"refused: {response.status} {await response.text()}")
                    response.raise_for_status()
                    async for event in events(response.content):
                        if event.get("retry", "").isdecimal():
                            retry = int(event["retry"]) / 1000
                        if "data" not in event:
                            continue
                        if "event" not in event:
                            handle(json.loads(event["data"]), event["id"])
                        elif event["event"] == "gap":
                            print(f"gap: {event['data']}", file=sys.stderr)
                        cursor = event.get("id", cursor)
            except (aiohttp.ClientError, TimeoutError, asyncio.TimeoutError) as error:
                print(f"broken: {error}", file=sys.stderr)
            await asyncio.sleep(retry)


asyncio.run(main())
