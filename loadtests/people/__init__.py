"""Who comes to a sale, and how each of them behaves. No Locust here: what they do is plain Python."""
