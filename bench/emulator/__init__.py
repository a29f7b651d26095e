"""Real ranks behind shaped links."""
