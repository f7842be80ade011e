"""What drops sell: title, picture and attributes, for lists of drops, holds and orders."""
