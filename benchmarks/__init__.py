"""Measurements, apart from the tests: `make bench-db`, `make bench-session`."""
