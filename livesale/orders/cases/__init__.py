"""After-sale cases: asked → agreed | refused → returned → refunded, or withdrawn."""
