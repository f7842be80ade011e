"""Making a thing once for each key, whatever is repeated, and by however many at once."""
