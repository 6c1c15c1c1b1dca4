"""The command `spaces`."""

from __future__ import annotations
