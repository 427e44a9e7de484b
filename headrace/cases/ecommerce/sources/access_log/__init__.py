"""The access-log source: Common and Combined Log Format, and the hits on the shop's tracking pixel in them."""
