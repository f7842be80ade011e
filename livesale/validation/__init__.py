"""What use cases refuse, and the forms of texts that come from outside."""
