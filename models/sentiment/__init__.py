"""Sentiment of posts and feedback: cleaning, language, and the scorer in force."""
