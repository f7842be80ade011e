"""What viewers of a room hear: numbered events, sockets, and the frames they may send."""
