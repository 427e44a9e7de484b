"""The engine: finds the groups that a change affects, recomputes them, merges the rows and checks them."""
