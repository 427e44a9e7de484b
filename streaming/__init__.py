"""Everything that speaks Kafka: sources, processors, the lander, and the runtime they share."""
