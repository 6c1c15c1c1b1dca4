"""A real conversation on a fresh local stack, walked step by step: `spaces demo`."""
