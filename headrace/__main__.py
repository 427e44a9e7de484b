"""Makes `python -m headrace` the command line; the stack starts its own programs this way."""

from headrace.cli import main

if __name__ == "__main__":
    main()
