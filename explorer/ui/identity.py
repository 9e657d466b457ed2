"""Whose a run is: a browser's token, and the owner the server makes of it.

A browser keeps a random token in a cookie that pages cannot read. What is written down beside runs is the owner: the
token hashed with this server's secret, from which nobody can get back to the cookie.
"""

import functools
import hashlib
import hmac
import logging
import os
import re
import secrets
from pathlib import Path

from explorer import paths

log = logging.getLogger(__name__)

COOKIE = "explorer_browser"
_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")  # 256 bits, as token_urlsafe writes them


def new_token() -> str:
    """A token for a browser that has none yet."""
    return secrets.token_urlsafe(32)


def is_token(word: object) -> bool:
    """Whether a cookie's value is one that :func:`new_token` may have made."""
    return isinstance(word, str) and _TOKEN.fullmatch(word) is not None


def owner_of(token: str) -> str:
    """The owner that a token stands for on every server with this home: 128 bits as 32 hexadecimal digits."""
    return hmac.digest(_secret(paths.home() / "secret"), token.encode(), hashlib.sha256).hex()[:32]


@functools.lru_cache(maxsize=8)
def _secret(path: Path) -> bytes:
    """The secret in a file, made by the first server that asks; where nothing can be written, one of this process."""
    made = secrets.token_hex(32).encode()
    partial = path.with_name(f".secret.{secrets.token_hex(4)}.partial")
    try:
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            with open(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(made)
            try:
                os.link(partial, path)  # whole at once; fails where another server was quicker
            except FileExistsError:
                pass
            except OSError:  # a disk without hard links
                partial.replace(path)
            finally:
                partial.unlink(missing_ok=True)
        return path.read_bytes() or made
    except OSError as error:
        log.warning("%s: %s. Until it can be kept, visitors are known for as long as this server runs.", path, error)
        return made
