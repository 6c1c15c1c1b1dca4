"""Property tests run on busy machines: how long an example takes is not what they test."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

settings.register_profile("spaces", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("spaces")
