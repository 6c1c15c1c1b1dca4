"""The one origin of the local stack: turns API keys into what the parts want, and joins REST, Auth and Realtime."""

from __future__ import annotations
