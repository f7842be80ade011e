"""The states of a drop that only SQL knows; all others are in stock.model. No I/O."""

DRAFT = "draft"
OPENING = "opening"  # not yet in Redis
