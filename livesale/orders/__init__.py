"""Orders: a buyer's own, from SQL; and after the sale: addresses, parcels."""
