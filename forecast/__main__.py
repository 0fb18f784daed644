"""`python -m forecast` is the same as the command `forecast`."""

from forecast.cli import main

main()
