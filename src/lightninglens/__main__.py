"""Run the command line: `python -m lightninglens`."""

from lightninglens.app.cli.main import main

main()
