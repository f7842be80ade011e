"""Load tests: a crowd against a running service, over HTTP and WebSocket only."""
