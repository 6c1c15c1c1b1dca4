"""Our migrations and functions in other people's Supabase projects: copying, applying, removing."""

from __future__ import annotations
