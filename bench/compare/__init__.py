"""Two results folders, row by row: what became worse beyond the noise of seeds, and what was changed."""
