"""The database of the shop, whose changes are captured."""
