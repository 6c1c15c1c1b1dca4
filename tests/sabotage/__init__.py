"""Guarantees broken on purpose: each entry must turn a named test red (`make sabotage`)."""
