"""``python -m imgan``."""

from imgan.cli import main

if __name__ == "__main__":
    main()
