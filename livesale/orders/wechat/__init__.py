"""What WeChat is told about shipments: an outbox, and the calls."""
