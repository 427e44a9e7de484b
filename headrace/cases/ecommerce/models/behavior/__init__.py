"""Customer behavior: the probability of another order, the expected spend, and the segments."""
