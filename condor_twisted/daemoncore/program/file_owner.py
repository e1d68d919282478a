"""Whose the files are that a daemon makes as root: its directory's owner's.

HTCondor's own daemons write logs and address files as the user ``condor``, who owns the
directory. A daemon of ours that a master has started as root leaves files of the same
owner, so that whoever takes its place can write them.
"""

from __future__ import annotations

import contextlib
import os

__all__ = ["NO_LINKS", "give_to_directory_owner"]

#: The directory may be somebody else's: what is opened there is never a link.
NO_LINKS = getattr(os, "O_NOFOLLOW", 0)


def give_to_directory_owner(handle: int, path: str) -> None:
    """Give an open file of root's to the owner of its directory.

    Args:
        handle: The file.
        path: Where it is.
    """
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        return
    with contextlib.suppress(OSError):
        owner = os.stat(os.path.dirname(path) or ".")
        if owner.st_uid and not os.fstat(handle).st_uid:
            os.fchown(handle, owner.st_uid, owner.st_gid)
