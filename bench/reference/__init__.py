"""Published measurements, and what Farbench says of them."""
