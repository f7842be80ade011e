"""Pictures drawn by code: goods, people, and the studio of the live room."""
