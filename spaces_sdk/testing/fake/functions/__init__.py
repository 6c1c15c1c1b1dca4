"""The database's functions, one class for each group of migrations: what they ask, refuse, write and answer."""
