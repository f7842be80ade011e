"""The writer and the keeper: what moves the log into SQL, and what ends holds at their deadline."""
