"""`python -m saqtau.cli`."""

from saqtau.cli import main

main()
