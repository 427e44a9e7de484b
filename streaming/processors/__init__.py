"""Consume-transform-produce: one module per processor, each a small pure class, and the registry of them."""
