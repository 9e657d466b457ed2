"""The MD5 that a file's own source publishes beside it, in the answer it comes with; where it does at all."""

import base64
import binascii
import re
from collections.abc import Mapping

_MD5 = re.compile(r'"([0-9a-f]{32})"')  # an ETag that may be one; of an upload in pieces it ends in their number


def md5(headers: Mapping[str, str], whole: bool = True) -> str:
    """As hexadecimal digits; "" where the source publishes none.

    ``Content-MD5`` says it of what is being sent. Google's stores say it of the file, and so does Amazon's: its ETag
    *is* the MD5 of a file that was uploaded in one piece and is not encrypted with a key of its owner's.

    Args:
        headers: of the answer, by name in any case.
        whole: whether all of the file is sent and not the rest of it.
    """
    said = {name.lower(): value for name, value in headers.items()}
    if whole and (found := _from_base64(said.get("content-md5", ""))):
        return found
    for part in said.get("x-goog-hash", "").split(","):
        name, _, value = part.strip().partition("=")
        if name == "md5" and (found := _from_base64(value)):
            return found
    plain = said.get("x-amz-server-side-encryption", "AES256") == "AES256"
    if said.get("server") == "AmazonS3" and plain and (tag := _MD5.fullmatch(said.get("etag", ""))):
        return tag[1]
    return ""


def _from_base64(word: str) -> str:
    try:
        found = base64.b64decode(word, validate=True)
    except (binascii.Error, ValueError):
        return ""
    return found.hex() if len(found) == 16 else ""
