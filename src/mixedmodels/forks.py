"""Locks that a fork waits for.

A forked process has only the thread that forked. What another thread was changing under a lock
would be left half changed there, and the lock would never be given back.
"""

from __future__ import annotations

import os
import threading


def lock_held_by_forks() -> threading.RLock:
    """A lock that a fork takes first, so that no other thread holds it; it is for short work."""
    lock = threading.RLock()
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(
            before=lock.acquire, after_in_parent=lock.release, after_in_child=lock.release
        )
    return lock
