"""A program that is killed again and again while it writes, and what it said it had written."""

import os
import signal
import subprocess
import sys

FORKS = """
import os, sys

# One import of the libraries for all cycles: each cycle is a fork, killed by its parent.
for line in sys.stdin:
    child = os.fork()
    if child == 0:
        work()
    os.write(1, f"child {child}\\n".encode())
    os.waitpid(child, 0)
    os.write(1, b"dead\\n")
"""
"""What a program ends with whose `work` writes for ever, and prints a number for each thing that is safe."""


def killed_again_and_again(program: str, arguments: list[str], *, cycles: int, most: int) -> list[int]:
    """Run a program with FORKS behind it, kill each child after up to `most` numbers, and return all numbers."""
    acknowledged: list[int] = []
    command = [sys.executable, "-c", program + FORKS, *arguments]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1) as parent:
        assert parent.stdin is not None
        assert parent.stdout is not None
        for cycle in range(cycles):
            parent.stdin.write("go\n")
            child, seen = 0, 0
            # The kill comes after a number of them that differs from cycle to cycle.
            for line in parent.stdout:
                if line.startswith("child"):
                    child = int(line.split()[1])
                elif line == "dead\n":
                    break
                else:
                    acknowledged.append(int(line))
                    seen += 1
                if child and seen > cycle % most:
                    os.kill(child, signal.SIGKILL)
                    child = 0
                    seen = -(10**9)
        parent.stdin.close()
    return acknowledged
