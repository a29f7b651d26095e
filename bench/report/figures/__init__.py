"""Figures of rows, by subject; `bench.report.figure` writes them."""
