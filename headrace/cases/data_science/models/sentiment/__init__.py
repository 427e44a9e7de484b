"""Sentiment of posts and feedback: cleaning, language detection, training and scoring."""
