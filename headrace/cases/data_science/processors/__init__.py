"""The processors of this case."""
