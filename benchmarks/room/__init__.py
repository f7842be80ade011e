"""The limits of a live room: viewers on one core, and the latency of events."""
