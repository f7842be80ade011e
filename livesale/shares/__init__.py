"""Short codes of rooms: for links, posters, and the codes of the mini-program."""
