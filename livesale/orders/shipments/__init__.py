"""Parcels: packing → shipped, with a carrier and a number → received; several an order."""
