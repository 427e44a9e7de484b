"""Lets `python -m headrace` be the command line, which is how the stack starts its own programs."""

from headrace.cli import main

if __name__ == "__main__":
    main()
