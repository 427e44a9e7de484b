"""What is known about the tables: the lineage of their columns and the reference page."""
