"""The record of what operators do: a row before each effect."""
