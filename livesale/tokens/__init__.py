"""Signed tokens, and the keyring with rotation."""
