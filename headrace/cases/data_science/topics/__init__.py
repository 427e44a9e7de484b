"""Each topic with its contract, one module a topic."""
