"""What a client asks first: the brand, and what this service offers, from the settings."""
