"""Where the loss comes from, and what would help: the same run again and again, with parts of its world replaced."""
