"""Measures sessions: what a message costs who hears it, what a second takes, and what a process holds."""
