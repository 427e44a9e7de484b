"""The engine: it finds the groups that a change affects, computes them again, merges the rows and checks them."""
