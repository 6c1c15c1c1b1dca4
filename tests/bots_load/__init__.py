"""Bots under load, on the real parts: a long answer to many who come and are cut off, replicas that are killed, a stop.

`make test` runs the short form; `make test-bots` passes `--full-load`, the same code with the numbers of a busy room.
"""
