"""Does what its input says, a Python statement a line, and answers each with a line."""
import sys

kept = []
answer = ""


class Node:
    def __init__(self):
        self.self = self
        self.filling = list(range(100))


if __name__ == "__main__":  # processes of multiprocessing load this file too, and have the same input
    for line in sys.stdin:
        exec(line, globals())
        print(answer, flush=True)
