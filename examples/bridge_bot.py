"""A bridge: what is posted to a webhook on this machine is said in the room, each delivery once.

    export BRIDGE_SECRET=$(python -c 'import secrets; print(secrets.token_hex(16))')
    python examples/bridge_bot.py ROOM_CODE
    curl -H "X-Bridge-Secret: $BRIDGE_SECRET" -d '{"id": "build-7", "text": "Build 7 is green"}' \\
        http://127.0.0.1:8765/ROOM_CODE

202: it waits, and is said within a second; 400: no such JSON; 401: wrong secret; 404: the bot is not in that room;
413: over 64 kB; 429: 100 wait already. What waits when the bot ends is lost: deliver it again, with its id.
Environment as in echo_bot.py.
"""

import hmac
import os
import sys
from collections import deque
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from uuid import uuid5

from pydantic import BaseModel, ConfigDict, Field

from spaces_sdk import Bot, Context, InvalidRequestError, RateLimitedError

SECRET, PORT = os.environ.get("BRIDGE_SECRET", ""), int(os.environ.get("BRIDGE_PORT", "8765"))
MOST_BYTES, MOST_WAITING = 64_000, 100


class Delivery(BaseModel):
    model_config = ConfigDict(str_strip_whitespace=True)
    id: str = Field(min_length=1, max_length=200)
    text: str = Field(min_length=1, max_length=8000)


bot = Bot("Bridge")
waiting: dict[str, deque[Delivery]] = {}
filing = Lock()


@bot.on_ready
async def begin(ctx: Context) -> None:
    waiting.setdefault(ctx.room.room_code, deque())


@bot.every(seconds=1)
async def deliver(ctx: Context) -> None:
    queue = waiting.get(ctx.room.room_code, deque())
    while queue:
        # Stored once, however often it is delivered; with the secret in it, nobody else can take the id first.
        message_id = uuid5(ctx.room.id, f"{SECRET} {queue[0].id}")
        try:
            await ctx.session.send(queue[0].text, message_id=message_id)
        except RateLimitedError:
            return  # again in a second
        except InvalidRequestError:
            pass  # it will be refused again: what comes after it shall not wait for ever
        queue.popleft()


class Door(BaseHTTPRequestHandler):
    timeout = 10  # seconds that a sender may be silent

    def do_POST(self) -> None:
        status = self.take()
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def take(self) -> HTTPStatus:
        length = self.headers.get("Content-Length", "")
        size = int(length[:10]) if length.isdecimal() else 0
        body = self.rfile.read(min(size, 16 * MOST_BYTES))  # read first: who is still sending hears no answer
        given = self.headers.get("X-Bridge-Secret", "").encode("latin-1")
        if not SECRET or not hmac.compare_digest(given, SECRET.encode()):
            return HTTPStatus.UNAUTHORIZED
        if size > MOST_BYTES:
            return HTTPStatus.REQUEST_ENTITY_TOO_LARGE
        try:
            delivery = Delivery.model_validate_json(body)
        except ValueError:
            return HTTPStatus.BAD_REQUEST
        queue = waiting.get(self.path.strip("/").upper())
        with filing:
            if queue is None or len(queue) >= MOST_WAITING:
                return HTTPStatus.NOT_FOUND if queue is None else HTTPStatus.TOO_MANY_REQUESTS
            queue.append(delivery)
        return HTTPStatus.ACCEPTED


if __name__ == "__main__":
    if not SECRET:
        sys.exit("set BRIDGE_SECRET first, to something long that nobody can guess")
    with ThreadingHTTPServer(("127.0.0.1", PORT), Door) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        bot.run(*sys.argv[1:])
        server.shutdown()
