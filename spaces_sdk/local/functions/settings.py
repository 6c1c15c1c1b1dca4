"""What the host of the functions is told."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class FunctionSettings:
    """Settings of the host.

    Attributes:
        folder: The `functions` folder.
        log_dir: Each function has a log there, `function-NAME.log`.
        environment: What every function finds in its environment.
        net: Where functions may connect to, as `host:port`; None: anywhere, as hosted.
    """

    folder: str
    log_dir: str
    environment: dict[str, str] = field(default_factory=dict[str, str])
    net: list[str] | None = None
