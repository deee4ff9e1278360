"""What tests of deployed programs share."""

import world as worlds


def until(condition, what, seconds=60):
    """wait_until for conditions that start a program or send a request."""
    return worlds.wait_until(condition, seconds, what, pause=0.1)
