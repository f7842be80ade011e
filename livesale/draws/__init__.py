"""Draws that anybody can check: a commitment before, the seed after."""
