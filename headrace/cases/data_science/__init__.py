"""Opinions and weather: posts, feedback, observations, and the sentiment of texts."""
