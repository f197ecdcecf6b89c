"""Follows a stream with the packages `httpx` and `httpx-sse`, on Python 3.10 or newer:

    pip install httpx httpx-sse
    python with_httpx.py http://127.0.0.1:8080/events/acme

Prints the cursor and the push id of each push. The package parses; to reconnect with the cursor is up to the program, and is
the loop below.
"""

import json
import os
import sys
import time

import httpx
from httpx_sse import SSEError, connect_sse

url = sys.argv[1]
token = os.environ.get("PUSHGATE_TOKEN")

# An idle stream carries a comment every 15 s: a line that is silent for three of them is dead. httpx itself gives up after 5 s.
TIMEOUT = httpx.Timeout(10, read=45)

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


# The cursor of the last event that was handled. Keep it with what you do for a push to resume after a restart of this
# program too.
cursor = ""
# The last `retry:` of the gateway: spread, so that not everybody comes back in one moment.
retry = 3.0

with httpx.Client(timeout=TIMEOUT) as client:
    while True:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        if cursor:
            headers["Last-Event-ID"] = cursor
        try:
            with connect_sse(client, "GET", url, headers=headers) as source:
                status = source.response.status_code
                if status == 204:
                    sys.exit("the tenant was removed")
                if 400 <= status < 500 and status not in (408, 429):
                    sys.exit(f"refused: {status} {source.response.read().decode(errors='replace')}")
                source.response.raise_for_status()
                for event in source.iter_sse():
                    if event.retry is not None:
                        retry = event.retry / 1000
                    # The package also yields events without data, one for each comment, which the standard drops.
                    if not event.data:
                        continue
                    if event.event == "message":
                        handle(json.loads(event.data), event.id)
                    elif event.event == "gap":
                        print(f"gap: {event.data}", file=sys.stderr)
                    cursor = event.id
        except (httpx.HTTPError, SSEError) as error:
            print(f"broken: {error}", file=sys.stderr)
        time.sleep(retry)
