"""Roles of operators, and what each role may do."""
