"""Names and faces of buyers: what others see of a person in a room."""
