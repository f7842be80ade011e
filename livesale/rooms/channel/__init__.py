"""The sockets of a room: numbered events to viewers, and frames from them."""
