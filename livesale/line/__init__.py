"""Purchase tickets: the challenge before one, its signature, its use."""
