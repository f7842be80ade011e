"""What viewers of a room get: numbered events, sockets, and the frames they may send."""
