"""What the REST service costs beside the same calls of the database's API."""
