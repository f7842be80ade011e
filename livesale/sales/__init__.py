"""Drops and reservations: what operators put up, and what buyers claim."""
