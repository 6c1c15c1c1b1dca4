"""The steps of the demo, in their order: the multi-user checklist, told as one evening."""

from __future__ import annotations

from typing import Final

from spaces_sdk.demo import steps_answers as answers
from spaces_sdk.demo import steps_meeting as meeting
from spaces_sdk.demo import steps_parting as parting
from spaces_sdk.demo.step import Step

SCENARIO: Final[tuple[Step, ...]] = (
    Step(key="sign_in", title="Four accounts sign in", act=meeting.sign_in, is_live=False, part="lite"),
    Step(
        key="create_room", title="Ada creates a room with a code", act=meeting.create_room, is_live=False, part="lite"
    ),
    Step(key="join_by_code", title="Bob joins by the code", act=meeting.join_by_code),
    Step(key="see_each_other", title="Each sees the other in the list", act=meeting.see_each_other),
    Step(key="talk", title="Messages go both ways", act=meeting.talk),
    Step(key="join_late", title="Sage, a bot, joins late and has the history", act=meeting.join_late),
    Step(key="bot_answers", title="The bot answers", act=answers.bot_answers),
    Step(key="answer_grows", title="Its next answer grows while all watch", act=answers.answer_grows),
    Step(key="stop_answer", title="It is to count for ever; Bob stops it", act=answers.stop_answer),
    Step(key="change_mode", title="The host changes the mode, Bob may not", act=meeting.change_mode),
    Step(key="switch_voice", title="Bob's voice goes on and off", act=meeting.switch_voice),
    Step(key="refuse_when_full", title="The room is full: Dora is refused", act=parting.refuse_when_full),
    Step(key="leave", title="Bob leaves", act=parting.leave),
    Step(
        key="kill_process",
        title="Bob returns, his process is killed, his place becomes free",
        act=parting.kill_process,
        waits_s=parting.lease_runs_out_s,
    ),
    Step(key="kick", title="Ada kicks Dora, whose open socket hears nothing more", act=parting.kick),
    Step(key="delete_room", title="Ada deletes the room", act=parting.delete_room),
)
