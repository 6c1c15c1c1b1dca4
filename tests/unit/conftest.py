"""What the unit tests share."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

# How long an example takes on a busy machine is not what a property tests. Each run draws other examples.
settings.register_profile("spaces", max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("spaces")
