"""Edge functions on this machine: the same files that are deployed, on the same Deno, started when asked for."""
