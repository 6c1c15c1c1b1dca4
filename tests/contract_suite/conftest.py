"""Failed assertions of the cases show their values, as in any test."""

from __future__ import annotations

import pytest

pytest.register_assert_rewrite("tests.contract_suite.cases", "tests.contract_suite.stage")
