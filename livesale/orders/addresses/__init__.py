"""Addresses in China: a buyer's book, and where an order goes; encrypted at rest."""
