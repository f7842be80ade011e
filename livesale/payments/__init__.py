"""Money: the gateways, what they say and ask, and what becomes of a payment."""
