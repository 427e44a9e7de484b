"""Assets: the topics, the warehouse and the models."""
