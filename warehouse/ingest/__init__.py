"""What comes into the lake: landed files as raw tables, and the tables that Kafka Connect delivers."""
