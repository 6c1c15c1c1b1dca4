"""Topics and tasks: what fails for one costs the others nothing."""

from __future__ import annotations

import asyncio

import pytest

from spaces_sdk.local.realtime.outgoing import Outgoing, TextMessage
from spaces_sdk.local.realtime.presence import Diff
from spaces_sdk.local.realtime.tasks import TaskSet
from spaces_sdk.local.realtime.topics import TopicRegistry
from spaces_sdk.local.realtime.wire import Version

pytestmark = pytest.mark.unit


class _Listener:
    version = Version.V2

    def __init__(self, *, fails: bool = False, reads_broadcasts: bool = True) -> None:
        self.fails = fails
        self.reads_broadcasts = reads_broadcasts
        self.heard: list[Outgoing] = []

    def deliver(self, message: Outgoing) -> None:
        if self.fails:
            raise RuntimeError("this listener is broken")
        self.heard.append(message)

    deliver_presence = deliver


def test_a_listener_that_fails_costs_the_others_nothing() -> None:
    topics = TopicRegistry()
    listeners = [_Listener(), _Listener(fails=True), _Listener(), _Listener(reads_broadcasts=False)]
    topic = topics.subscribe(listeners[0], "a", is_private=True)
    assert all(topics.subscribe(listener, "a", is_private=True) is topic for listener in listeners)
    topic.publish(TextMessage("realtime:a", "broadcast", "{}"), without=listeners[0])
    topic.publish_presence(Diff())
    assert [len(listener.heard) for listener in listeners] == [1, 0, 2, 1]


def test_a_public_and_a_private_topic_of_one_name_are_two_and_end_with_their_last_listener() -> None:
    topics = TopicRegistry()
    private, public = _Listener(), _Listener()
    first = topics.subscribe(private, "a", is_private=True)
    second = topics.subscribe(public, "a", is_private=False)
    assert first is not second
    topics.unsubscribe(private, first)
    topics.unsubscribe(private, first)
    assert topics.find("a", is_private=True) is None
    assert topics.find("a", is_private=False) is second


def test_a_payload_that_is_no_object_can_reach_only_the_old() -> None:
    topics = TopicRegistry()
    listener = _Listener()
    topic = topics.subscribe(listener, "a", is_private=False)
    message = TextMessage("realtime:a", "broadcast", '"text"', is_object=False)
    assert not topic.can_reach_all(message)
    assert topic.can_reach_all(message, without=listener)


async def test_tasks_end_with_their_owner_and_with_its_parent(caplog: pytest.LogCaptureFixture) -> None:
    parent = TaskSet()
    child = TaskSet(parent)
    forever = child.start(_wait(), name="waits")
    failed = child.start(_fail(), name="fails")
    await asyncio.wait([failed])
    assert "the task fails failed" in caplog.text
    await parent.aclose()
    assert forever.cancelled()


async def _wait() -> None:
    await asyncio.get_running_loop().create_future()


async def _fail() -> None:
    raise RuntimeError("on purpose")
