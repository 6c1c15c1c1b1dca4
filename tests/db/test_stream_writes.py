"""What an answer costs the database as it grows: about the same for each part, however much stands before it."""

from __future__ import annotations

import itertools
from random import Random
from string import ascii_letters
from typing import Final
from uuid import uuid4

import pytest

from tests.db.support.database import Database
from tests.db.support.rooms import open_space

pytestmark = pytest.mark.db

PART: Final = 250
PARTS: Final = 720
EVENT_BYTES: Final = 2_000
"""Of a part besides its text: the row that Realtime sends, the one that keeps it, and two that are counted up."""


async def test_a_part_costs_what_it_adds_and_not_what_stands_before_it(db: Database) -> None:
    """All that is written to the log, the broadcasts among it; the text is one that cannot be compressed."""
    space = await open_space(db)
    bot = await space.newcomer("bot", app_metadata={"spaces_kind": "bot"})
    random, text, message_id, quarters = Random(1), "", uuid4(), list[int]()  # noqa: S311
    await db.sql("delete from spaces.limits where action = 'stream'")
    await db.sql("alter system set full_page_writes = off")  # a page is logged whole after each checkpoint
    await db.sql("select pg_reload_conf()")
    try:
        await space.call(bot, "begin_stream", p_id=message_id)
        for number in range(PARTS):
            if number % (PARTS // 4) == 0:
                quarters.append(await written(db))
            part = "".join(random.choices(ascii_letters, k=PART))
            await space.call(bot, "append_stream", p_message_id=message_id, p_offset=len(text), p_text=part)
            text += part
        quarters.append(await written(db))
        answer = await space.call(bot, "finish_stream", p_message_id=message_id)
    finally:
        await db.sql("insert into spaces.limits values ('stream', 20, 10, 'Parts.')")
        await db.sql("alter system reset full_page_writes")
        await db.sql("select pg_reload_conf()")
    assert answer["message"]["content"] == text
    first, *_, last = [end - begin for begin, end in itertools.pairwise(quarters)]
    whole = quarters[-1] - quarters[0]
    anew = sum(PART * number for number in range(1, PARTS + 1))
    assert whole <= PARTS * EVENT_BYTES + 6 * len(text) < anew / 20, f"{whole} bytes of log for {len(text)} characters"
    assert last <= 2 * first, f"the last quarter wrote {last} bytes, the first one {first}"


async def written(db: Database) -> int:
    """Bytes of the log so far."""
    return int(await db.value("select pg_current_wal_insert_lsn() - '0/0'"))
