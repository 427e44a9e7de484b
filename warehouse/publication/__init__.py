"""The published file: its tables, the age of their rows, and the time records take to get there."""
