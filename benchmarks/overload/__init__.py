"""`make bench-overload`: far more load than one worker can serve, and hostile strangers."""
