"""Customer behaviour: the scorer in force for the probability of another order, and the segments."""
