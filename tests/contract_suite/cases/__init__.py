"""The cases, by subject; importing a file registers its cases."""

from tests.contract_suite.cases import invitations, members, messages, moderation, reading, rooms, streams, turns
from tests.contract_suite.stage import CASES

__all__ = ["CASES", "invitations", "members", "messages", "moderation", "reading", "rooms", "streams", "turns"]
