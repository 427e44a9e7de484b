"""Apache Kafka for the local stack: its jars, the Java that runs it, and the broker's settings."""
