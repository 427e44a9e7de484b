"""Session intent: whether a visit will end in a purchase, from its first pages or from a file of whole sessions."""
