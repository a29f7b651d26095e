"""All results as one page: rows, figures and tables, in a browser, without network."""

from bench.report.page.page import write_page

__all__ = ["write_page"]
