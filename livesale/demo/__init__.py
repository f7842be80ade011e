"""The demo: a crowd buys through the real system, live on the terminal, with an audit at the end."""
