"""Launcher for a checkout: `python cli.py fit load.csv`."""

from forecast.cli import main

main()
