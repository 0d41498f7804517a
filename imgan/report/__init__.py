"""Pages for people: what a run, and later a comparison, has to show. Static files, no server."""

from .run_page import write_run_page

__all__ = ["write_run_page"]
