"""The stream of a room: publish keys, hooks of media servers, playback URLs."""
