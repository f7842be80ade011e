"""Alerts: what operators must know now, in a list and by webhook."""
