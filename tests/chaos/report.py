"""What a person reads while it runs and after it, and the JSON of the last line."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Mapping, Sequence

from tests.chaos.lines import Line, What
from tests.chaos.options import ChaosOptions
from tests.chaos.recovery import Done, Recovery, quantile
from tests.chaos.schedule import Fault
from tests.chaos.verdict import Findings, Truth, Wrong


def say(text: str) -> None:
    """A line, at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def say_fault(at_s: float, fault: Fault, told: str) -> None:
    """One fault, when it is over."""
    say(f"  {at_s:6.1f} s  {fault.kind:<12} {fault.target:<11} {told or 'did not come to be'}")


def say_schedule(schedule: Sequence[Fault]) -> None:
    """The schedule itself, without running it."""
    for fault in schedule:
        say(
            f"  {fault.at_s:7.2f} s  {fault.kind:<12} {fault.target:<11} for {fault.lasts_s:5.2f} s"
            f"  strength {fault.strength:.3f}{'  hard' if fault.is_hard else ''}"
        )


def say_verdict(
    options: ChaosOptions,
    *,
    findings: Findings,
    done: Sequence[Done],
    recoveries: Sequence[Recovery],
    journals: Mapping[str, Sequence[Line]],
    truth: Truth,
    is_passed: bool,
) -> None:
    """The summary, then one line of JSON."""
    whats = Counter(line.what for lines in journals.values() for line in lines)
    refusals = Counter(line.name for lines in journals.values() for line in lines if line.what is What.REFUSED)
    by_kind = Counter(fault.kind for fault in done)
    missing = [kind for kind in options.kinds if not by_kind[kind]]
    say("")
    say(f"{len(done)} faults: " + ", ".join(f"{kind} {count}" for kind, count in sorted(by_kind.items())))
    if missing:
        say(f"NOT INJECTED: {', '.join(missing)}; give it more --seconds")
    say(
        f"{truth.head} changes, {len(truth.messages)} messages, {whats[What.TOLD]} events and "
        f"{whats[What.CAUGHT_UP]} catch-ups told to {options.sessions} sessions"
    )
    say(
        f"{whats[What.TRYING]} sends: {whats[What.STORED]} returned, {whats[What.UNKNOWN]} of unknown outcome, "
        f"{whats[What.REFUSED]} refused{''.join(f', {count} {code}' for code, count in refusals.most_common())}"
    )
    times = [one.took_s for one in recoveries]
    p50, p95, longest = quantile(times, 0.5), quantile(times, 0.95), max(times, default=0.0)
    say(f"{len(recoveries)} recoveries: p50 {p50:.2f} s, p95 {p95:.2f} s, longest {longest:.2f} s")
    if slow := ", ".join(f"{one.took_s:.1f} s (session {one.session}, {one.kind})" for one in sorted(recoveries)[-3:]):
        say(f"  the slowest: {slow}")
    for wrong in Wrong:
        if findings.counts[wrong]:
            say(f"WRONG  {wrong}: {findings.counts[wrong]}")
            for example in findings.examples[wrong]:
                say(f"       {example}")
    say("nothing is wrong" if findings.is_clean else "THE GUARANTEE IS BROKEN")
    say(
        json.dumps(
            {
                "ok": is_passed,
                "seed": options.seed,
                "seconds": options.seconds,
                "sessions": options.sessions,
                **{wrong.value: findings.counts[wrong] for wrong in Wrong},
                "faults": len(done),
                "faults_by_kind": dict(sorted(by_kind.items())),
                "not_injected": [str(kind) for kind in missing],
                "changes": truth.head,
                "messages": len(truth.messages),
                "sends": {
                    "tried": whats[What.TRYING],
                    "returned": whats[What.STORED],
                    "unknown": whats[What.UNKNOWN],
                    "refused": whats[What.REFUSED],
                },
                "recovery_s": {
                    "count": len(recoveries),
                    "p50": round(p50, 3),
                    "p95": round(p95, 3),
                    "max": round(longest, 3),
                },
            }
        )
    )
