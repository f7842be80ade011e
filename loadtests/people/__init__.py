"""Who comes to a sale, and how each behaves. No Locust here: what they do is plain Python."""
