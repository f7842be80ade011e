"""The private channel of a buyer: what became of reservations and refunds, as it happens."""
