"""Measurements, apart from the tests: `make bench-db`, `make bench-session`, `make bench-bots` …"""
