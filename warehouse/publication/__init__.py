"""The published file: its tables, how old their rows are, and how long records took to get there."""
