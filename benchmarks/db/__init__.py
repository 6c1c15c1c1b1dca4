"""What the database costs, in one run and as ratios: `make bench-db`."""
