"""Who is in a room, who was, and whose connections live."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from spaces_sdk.models import JsonObject, Kind, LeaseStatus, Participant, Role
from spaces_sdk.rooms import Ban
from spaces_sdk.testing.fake.rows import RoomRows


@dataclass(slots=True)
class Lease:
    """One connection of a user."""

    user_id: UUID
    expires_at: float = math.inf
    is_ended: bool = False


@dataclass(slots=True)
class Former:
    """Who is a participant no more; what waits for their return."""

    participant: Participant
    is_kicked: bool
    gone_at: datetime


class Members(RoomRows):
    """Participants, leases, removals. A role of `host` is worked out when somebody looks, as in the database."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.participants: dict[UUID, Participant] = {}
        self.former: dict[UUID, Former] = {}
        self.bans: dict[UUID, Ban] = {}
        self.leases: dict[UUID, Lease] = {}
        self.read_seqs: dict[UUID, int] = {}
        self.last_transfer: tuple[UUID | None, UUID] | None = None
        """Who has handed the room on, and to whom."""

    def shown(self, participant: Participant) -> Participant:
        """As others see them."""
        is_host = participant.user_id == self.host
        return participant.model_copy(update={"role": Role.HOST}) if is_host else participant

    def people(self, *, by_lease: bool = False) -> list[Participant]:
        """All participants, online first; by their leases, where nobody may have swept."""
        people = [self.shown(p) for p in self.participants.values()]
        if by_lease:
            people = [p.model_copy(update={"is_online": p.is_online and self.is_live(p.user_id)}) for p in people]
        people.sort(key=lambda p: (not p.is_online, p.joined_at, p.id))
        return people[: self.config.participants_shown]

    def told(self, *people: Participant) -> list[JsonObject]:
        return [self.shown(p).model_dump(mode="json") for p in people]

    def known(self, user_id: UUID) -> Participant | None:
        """A participant, or one who was removed."""
        former = self.former.get(user_id)
        removed = former.participant if former is not None and former.is_kicked else None
        return self.participants.get(user_id) or removed

    def why_out(self, user_id: UUID) -> str | None:
        """The code that tells somebody why they are no participant; None for one who is."""
        if user_id in self.participants:
            return None
        if user_id in self.bans:
            return "banned"
        former = self.former.get(user_id)
        return "kicked" if former is not None and former.is_kicked else "not_participant"

    # -- leases ----------------------------------------------------------------------------------------

    def is_lease_live(self, lease: Lease) -> bool:
        return not lease.is_ended and lease.expires_at > self.clock.monotonic()

    def is_live(self, user_id: UUID) -> bool:
        """Whether a user has a live connection."""
        return any(lease.user_id == user_id and self.is_lease_live(lease) for lease in self.leases.values())

    @property
    def live_count(self) -> int:
        """Places taken."""
        return len({lease.user_id for lease in self.leases.values() if self.is_lease_live(lease)})

    def extend(self, lease: Lease) -> None:
        lease.expires_at = max(lease.expires_at, self.clock.monotonic() + self.config.lease_s)

    def may_listen(self, user_id: UUID, topic: str) -> bool:
        epoch = int(topic.rpartition(":")[2])
        return self.is_live(user_id) and user_id in self.participants and epoch <= self.epoch

    def lease_status(self, connection_id: UUID, user_id: UUID) -> LeaseStatus:
        """What a connection is worth now."""
        lease = self.leases.get(connection_id)
        if lease is None or lease.user_id != user_id:
            return LeaseStatus(connection_id=connection_id, status="lease_expired")
        out = self.why_out(user_id)
        if self.is_deleted or out is not None or not self.state.is_active or not self.is_lease_live(lease):
            status = "room_not_found" if self.is_deleted else out
            status = status or ("lease_expired" if self.state.is_active else "room_inactive")
            return LeaseStatus(connection_id=connection_id, room_id=self.id, status=status)
        return LeaseStatus(
            connection_id=connection_id,
            room_id=self.id,
            status="live",
            head=self.head,
            epoch=self.epoch,
            topic=self.topic,
            state=self.state,
        )

    def end_leases(self, user_id: UUID | None = None, connection_id: UUID | None = None) -> None:
        """End all leases, or those of a user, or one of them."""
        for key, lease in self.leases.items():
            if user_id in (None, lease.user_id) and connection_id in (None, key):
                lease.is_ended = True

    def expire_leases(self, *, publish: bool = True) -> None:
        """A fault: all leases run out; and a sweep says so, unless nobody sweeps for now."""
        for lease in self.leases.values():
            lease.expires_at = min(lease.expires_at, self.clock.monotonic())
        if publish:
            self.sweep_leases()

    def sweep_leases(self) -> None:
        """Take those offline whose leases have run out: one step for all of them."""
        over = [lease for lease in self.leases.values() if not lease.is_ended and not self.is_lease_live(lease)]
        for lease in over:
            lease.is_ended = True
        ids = {lease.user_id for lease in over}
        people = [self.participants[key] for key in self.participants.keys() & ids]
        gone = [p for p in people if p.is_online and not self.is_live(p.user_id)]
        self._go(sorted(gone, key=lambda p: p.joined_at))

    def _go(self, people: list[Participant], reason: str = "timeout") -> None:
        gone = [p.model_copy(update={"is_online": False, "voice_since": None}) for p in people]
        self.participants.update({p.user_id: p for p in gone})
        if gone:
            self.step("room:participant-left", {"participants": self.told(*gone), "reason": reason})

    # -- coming and going ------------------------------------------------------------------------------

    def come(self, user_id: UUID, name: str | None, kind: Kind = Kind.HUMAN, *, is_online: bool = True) -> Participant:
        """Somebody comes in, or comes back."""
        old, former = self.participants.get(user_id), self.former.pop(user_id, None)
        before = old or (former.participant if former else None)
        me = before or self.newcomer(user_id, name or "?")
        if before is None or (former is not None and not former.is_kicked):
            self.read_seqs[user_id] = self.head
        fields: dict[str, Any] = {"is_online": (old is not None and old.is_online) or is_online}
        if former is not None and not former.is_kicked:  # who forgets a room comes back as another row
            at = self.now()
            fields |= {"id": uuid4(), "joined_at": at, "last_seen": at, "role": Role.MEMBER}
        if kind is Kind.BOT:
            fields["kind"] = kind
        if name is not None:
            fields["display_name"] = name
        if before is not None:
            fields.setdefault("last_seen", self.now())
        me = self.participants[user_id] = me.model_copy(update=fields)
        if old is None or me.is_online != old.is_online:
            self.step("room:participant-joined", {"participant": self.told(me)[0]})
        elif (me.display_name, me.kind) != (old.display_name, old.kind):
            self.step("room:participant-updated", {"participant": self.told(me)[0]})
        return me

    def update(self, user_id: UUID, **changes: Any) -> Participant:
        """A participant is muted, or gets another role."""
        changed = self.participants[user_id] = self.participants[user_id].model_copy(update=changes)
        self.step("room:participant-updated", {"participant": self.told(changed)[0]})
        return changed

    def send_home(self, user_id: UUID) -> None:
        """Somebody goes offline by their own wish."""
        person = self.participants.get(user_id)
        if person is not None and person.is_online:
            self.participants[user_id] = person.model_copy(update={"last_seen": self.now()})
            self._go([self.participants[user_id]], "left")

    def take_out(self, user_id: UUID, reason: str) -> None:
        """A participant is one no more."""
        self.end_leases(user_id)
        offline = {"is_online": False, "voice_since": None, "last_seen": self.now()}
        gone = self.participants.pop(user_id).model_copy(update=offline)
        if reason != "forgot":
            gone = gone.model_copy(update={"role": Role.MEMBER})
        self.former[user_id] = Former(gone, reason != "forgot", self.now())
        self.step("room:participant-left", {"participants": self.told(gone), "reason": reason})

    def hand_on(self, user_id: UUID) -> None:
        """Another host; the one of before is a member."""
        before = self.participants.get(self.host) if self.host else None
        if before is not None:
            self.participants[before.user_id] = before.model_copy(update={"role": Role.MEMBER})
        self.last_transfer = (self.host, user_id)
        self.set_state(host=user_id)

    def has_been_away(self, since: datetime) -> bool:
        """For so long that a return is worth a line in the conversation."""
        return self.now() - since > timedelta(seconds=self.config.rejoin_quiet_s)

    def newcomer(self, user_id: UUID, name: str) -> Participant:
        """Somebody who was never here; not in the room yet."""
        at = self.now()
        return Participant(
            id=uuid4(),
            room_id=self.id,
            user_id=user_id,
            display_name=name,
            is_online=False,
            joined_at=at,
            last_seen=at,
            role=Role.MEMBER,
            kind=Kind.HUMAN,
            is_muted=False,
        )
