"""How soon a bot's answer is heard as it grows, and is silent when it is stopped."""
