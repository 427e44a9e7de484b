"""Consume-transform-produce: one module a processor, each a small pure class, and the registry that names them."""
