"""Bots in a room, each with as many processes as a test wants."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

from tests.db.support.actors import Actor, Json
from tests.db.support.barrier import Call
from tests.db.support.rooms import Member, Space

ANSWER = "answer"


@dataclass(frozen=True, slots=True)
class Replica:
    """One process of a bot."""

    space: Space
    member: Member
    holder: UUID = field(default_factory=uuid4)

    @property
    def id(self) -> UUID:
        """The bot's user id."""
        return self.member.id

    def another(self) -> Replica:
        """One more process of the same bot."""
        return Replica(self.space, self.member)

    async def enter(self, **arguments: Any) -> Json:
        """Enter the turns."""
        answer: Json = await self.space.call(self.member, "enter_turns", **{"p_takes_turns": True, **arguments})
        assert answer["ok"], answer
        return answer

    async def claims(self, *claims: Json, position: int | None = None) -> list[Json]:
        """Several claims at once; an answer each."""
        answer = await self.space.call(
            self.member, "claim_turns", p_holder=self.holder, p_claims=list(claims), p_position=position
        )
        assert answer["ok"], answer
        return answer["turns"]

    async def claim(self, at: Json | int, purpose: str = ANSWER, *, position: int | None = None) -> Json:
        """One claim, on a message or another step; its answer."""
        (turn,) = await self.claims(claim_of(at, purpose), position=position)
        assert (turn["position"], turn["purpose"]) == (position_of(at), purpose)
        return turn

    async def verdict(self, at: Json | int, purpose: str = ANSWER) -> str:
        """The status of a claim, or why it is refused."""
        turn = await self.claim(at, purpose)
        return turn.get("reason", turn["status"])

    async def finish(
        self, at: Json | int, purpose: str = ANSWER, *, outcome: str = "done", position: int | None = None, **more: Any
    ) -> int:
        """End one; 1 if it was this process's to end."""
        turn = {"position": position_of(at), "purpose": purpose, "outcome": outcome, **more}
        answer = await self.space.call(
            self.member, "finish_turns", p_holder=self.holder, p_turns=[turn], p_position=position
        )
        assert answer["ok"], answer
        return answer["finished"]

    def claiming(self, at: Json | int, purpose: str = ANSWER) -> Call:
        """A claim to be made by somebody else's hand."""
        arguments = {"p_room_id": self.space.id, "p_holder": self.holder, "p_claims": [claim_of(at, purpose)]}
        return Call(self.member.actor, "claim_turns", arguments)

    async def position(self) -> int:
        """How far the bot is."""
        return await self.space.db.value(
            "select position from spaces.bots where room_id = %s and user_id = %s", [self.space.id, self.id]
        )

    async def rows(self) -> list[Json]:
        """What is kept of the bot's claims."""
        return await self.space.db.sql(
            "select * from spaces.turns where room_id = %s and user_id = %s order by position, purpose",
            [self.space.id, self.id],
        )

    async def states(self) -> dict[tuple[int, str], str]:
        """The same, as far as they are."""
        return {(row["position"], row["purpose"]): row["state"] for row in await self.rows()}


def position_of(at: Json | int) -> int:
    """Where a claim is."""
    return at if isinstance(at, int) else at["seq"]


def claim_of(at: Json | int, purpose: str = ANSWER) -> Json:
    """A claim as the call takes it."""
    return {"position": position_of(at), "purpose": purpose}


async def bot(space: Space, name: str = "Bot", *, takes_turns: bool = True, actor: Actor | None = None) -> Replica:
    """A bot that has joined, and entered the turns; all that was said is for it."""
    who = actor or await space.db.user(name, app_metadata={"spaces_kind": "bot"})
    made = Replica(space, await space.enter(who, name))
    await made.enter(p_takes_turns=takes_turns, p_position=0)
    return made


async def bots(space: Space, *names: str) -> list[Replica]:
    """Several bots, who have come in this order."""
    return [await bot(space, name) for name in names]


async def verdicts(message: Json | int, *replicas: Replica) -> list[str]:
    """What each is answered that claims a message, one after the other."""
    return [await each.verdict(message) for each in replicas]


async def choose(space: Space, **settings: Any) -> None:
    """Set the rules of the room; null takes one away."""
    answer = await space.call(space.host, "update_room_state", p_changes={"settings": {"spaces": settings}})
    assert answer["ok"], answer


async def lapse(space: Space, *states: str) -> None:
    """Let all leases and offers of turns have run out a second ago."""
    await space.db.sql(
        """update spaces.turns set expires_at = clock_timestamp() - interval '1 second'
           where room_id = %s and state = any(%s)""",
        [space.id, list(states or ("held", "offered"))],
    )


async def age_turns(space: Space, seconds: float) -> None:
    """Let all that bots have done have been so many seconds before it was."""
    await space.db.sql(
        """update spaces.bots set last_turn_at = last_turn_at - make_interval(secs => %s),
             last_done_at = last_done_at - make_interval(secs => %s) where room_id = %s""",
        [seconds, seconds, space.id],
    )
