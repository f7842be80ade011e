"""`make bench-overload`: far more than one worker can serve, and strangers who mean it harm."""
