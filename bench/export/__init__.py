"""Rows of a results folder for other programs: one frame for pandas, or what people watch runs with."""
