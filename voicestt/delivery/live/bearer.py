"""A bearer token in a request.

Source: RFC 6750: in the header Authorization (section 2.1), or as `access_token` in the query (section 2.3), which
is for browsers: their EventSource and WebSocket send no header of one's own.
"""

from secrets import compare_digest
from urllib.parse import parse_qs

_SCHEME = "bearer"
_PARAMETER = "access_token"
_MOST_FIELDS = 200


def presented(authorization: str | None, query: str) -> str | None:
    """Returns the token of a request; the one in the header wins over the one in the query.

    Another kind of Authorization is not ours: a proxy in front may have asked for it.
    """
    scheme, _, token = (authorization or "").strip().partition(" ")
    if scheme.lower() == _SCHEME:
        return token.strip()
    try:
        values = parse_qs(query, max_num_fields=_MOST_FIELDS).get(_PARAMETER)
    except ValueError:
        return None
    return values[-1] if values else None


def is_same(token: str, brought: str | None) -> bool:
    """True if `brought` is `token`, compared in constant time."""
    return brought is not None and compare_digest(token.encode(), brought.encode("utf-8", "surrogatepass"))
