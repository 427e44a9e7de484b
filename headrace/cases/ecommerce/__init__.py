"""A shop: visits, orders, customers, and models of their behavior."""
