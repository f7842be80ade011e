"""Lines in front of drops: places, turns, and the engine's port for them."""
