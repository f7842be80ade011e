"""Logging in: a code of a provider becomes a buyer with a token."""
