"""`livesale demo --live`: a scripted show in a live room, with real viewers, audited at the end."""
