"""Runs a program that receives a signal when its parent dies; Linux only.

``python -I -S leash.py PARENT_PID SIGNAL UID:GID|- PROGRAM ARG...``

A script of its own instead of ``preexec_fn``, because code between fork and exec may dead-lock in a process with
threads. The account is changed here and not by ``subprocess``, because the kernel forgets the death signal when the
user id changes. It imports nothing of the project: it must start fast and from any folder.
"""

import ctypes
import os
import sys

PR_SET_PDEATHSIG = 1


def main(parent: str, signal: str, account: str, *argv: str) -> None:
    if account != "-":
        uid, gid = (int(part) for part in account.split(":"))
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, int(signal), 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    if os.getppid() != int(parent):  # it died before the line above
        sys.exit(1)
    os.execvp(argv[0], argv)  # noqa: S606  no shell is the point


if __name__ == "__main__":
    main(*sys.argv[1:])
