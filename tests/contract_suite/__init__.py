"""One suite of cases that holds on the fake backend and on the real stack, with the same words."""
