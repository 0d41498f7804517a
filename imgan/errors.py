"""The one error that users see."""

from __future__ import annotations


class ImganError(Exception):
    """What went wrong and the way out, in one sentence for a person.

    The command line prints it without a traceback and ends with exit code 2.
    """


class Stopped(Exception):
    """Work that the user ended early (Ctrl-C), with everything so far saved; exit code 130."""
