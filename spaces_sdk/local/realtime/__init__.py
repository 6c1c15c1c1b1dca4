"""The local stack's Realtime server.

It answers as the recorded Supabase Realtime server does: private channels judged by the policies in
Postgres, broadcasts from the database in commit order, presence, limits, refusals and their delays.
Run it with `python -m spaces_sdk.local.realtime`.
"""
