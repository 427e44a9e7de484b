"""The models of this case."""
