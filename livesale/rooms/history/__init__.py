"""What was said in rooms, in SQL: for operators, long after viewers saw it."""
