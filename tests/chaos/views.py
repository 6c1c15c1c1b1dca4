"""What the sessions know in the end, held against the table. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Set
from typing import Final

from tests.chaos.commands import Status
from tests.chaos.verdict import Findings, Truth, Wrong

# Of what a session keeps (200) and of what its status tells (50).
NEWEST: Final = 20


def judge_online(online: Mapping[str, bool], living: Set[str], findings: Findings) -> None:
    """The table's marks agree with who lives."""
    for user_id in sorted({*online, *living}):
        if online.get(user_id, False) != (user_id in living):
            findings.add(Wrong.ONLINE_WRONG, f"the table has {user_id} online={online.get(user_id)}")


def judge_views(statuses: Mapping[str, Status], online: Mapping[str, bool], truth: Truth, findings: Findings) -> None:
    """Each session's own view, and what its reader alone was told, are the table's."""
    newest = {message.message_id: message.revision for message in truth.messages[-NEWEST:]}
    for who, status in statuses.items():
        if (known := _of(status.online, online)) != online:
            findings.add(Wrong.ONLINE_WRONG, f"{who} knows {known}, the table has {online}")
        if status.followed is not None and (told := _of(status.followed, online)) != online:
            findings.add(Wrong.ONLINE_WRONG, f"{who} was told {told}, the table has {online}")
        if status.followed_state not in (None, status.state_json):
            findings.add(Wrong.VIEW_WRONG, f"{who} was told {status.followed_state}, knows {status.state_json}")
        if not newest.items() <= status.messages.items():
            findings.add(Wrong.VIEW_WRONG, f"{who} does not hold the newest messages as they are")
    states = {status.state_json for status in statuses.values()}
    if len(states) > 1:
        findings.add(Wrong.VIEW_WRONG, f"the sessions know different states of the room: {sorted(states)}")


def _of(known: Mapping[str, bool], online: Mapping[str, bool]) -> dict[str, bool]:
    """Without those who were removed and are not back: one list has forgotten them, the other need not have."""
    return {user_id: is_online for user_id, is_online in known.items() if user_id in online}
