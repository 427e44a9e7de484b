"""Files of reviews and of labeled texts."""
