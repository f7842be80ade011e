"""Goods from files: xlsx and csv, row by row."""
