"""The embedded Supabase stack: Postgres, REST, Auth and Realtime on one loopback origin, for development and tests."""

from __future__ import annotations
