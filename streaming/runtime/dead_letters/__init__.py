"""Dead letters as an operator meets them: reading the `.dlq` topics, and replaying what can be taken now."""
