"""Live rooms: their life, shelf, drops on air, and what happens in them."""
