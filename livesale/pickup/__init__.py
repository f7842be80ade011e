"""Pickup: stores near a buyer, a code for each order, and the clerks that hand it out."""
