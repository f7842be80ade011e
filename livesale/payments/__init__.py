"""Money: gateways, payments and refunds."""
