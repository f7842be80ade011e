"""Tokens: who somebody is, signed. Keys that are renewed."""
