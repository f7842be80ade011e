"""Purchase tickets: challenges, signatures, use."""
