"""The `lens` command: one module per command, imported only when it is asked for.

`main` holds the table of commands; each module named there has a Typer `app`.
"""
