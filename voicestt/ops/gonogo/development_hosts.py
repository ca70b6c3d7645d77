"""Host names for development that no live telephone number may depend on."""

import ipaddress

_TUNNEL = "a tunnel's name: it ends or changes with the program that opened it"
_DESK = "a development machine's name: it sleeps or changes when nobody works on it"
_HERE = "a name that only this machine or its own network knows"
_BOOK = "a name for documentation that belongs to nobody"

_ENDINGS = {
    # Replit: a workspace's own domain (replit.dev, repl.co); a deployment has replit.app or a domain of its own.
    "replit.dev": _DESK,
    "repl.co": _DESK,
    "repl.run": _DESK,
    "gitpod.io": _DESK,
    "github.dev": _DESK,
    "githubpreview.dev": _DESK,
    "csb.app": _DESK,
    "stackblitz.io": _DESK,
    "webcontainer.io": _DESK,
    "cloudshell.dev": _DESK,
    "cloud9.amazonaws.com": _DESK,
    "vusercontent.net": _DESK,
    "ngrok.io": _TUNNEL,
    "ngrok.app": _TUNNEL,
    "ngrok.dev": _TUNNEL,
    "ngrok-free.app": _TUNNEL,
    "ngrok-free.dev": _TUNNEL,
    "trycloudflare.com": _TUNNEL,
    "loca.lt": _TUNNEL,
    "localtunnel.me": _TUNNEL,
    "serveo.net": _TUNNEL,
    "localhost.run": _TUNNEL,
    "lhr.life": _TUNNEL,
    "lhrtunnel.link": _TUNNEL,
    "devtunnels.ms": _TUNNEL,
    "pagekite.me": _TUNNEL,
    "pinggy.io": _TUNNEL,
    "pinggy.link": _TUNNEL,
    "bore.pub": _TUNNEL,
    "telebit.io": _TUNNEL,
    "tunnelmole.net": _TUNNEL,
    "zrok.io": _TUNNEL,
    "ts.net": _TUNNEL,
    "localhost": _HERE,
    "localdomain": _HERE,
    "local": _HERE,
    "internal": _HERE,
    "lan": _HERE,
    "home.arpa": _HERE,
    "test": _BOOK,
    "invalid": _BOOK,
    "example": _BOOK,
    "example.com": _BOOK,
    "example.org": _BOOK,
    "example.net": _BOOK,
}


def why_not_public(public_host: str) -> str | None:
    """Says why a live number must not depend on `public_host` (port allowed); None where it may.

    Sources: RFC 2606 and RFC 6761 (reserved names), and the services' documentation of the names they hand out.
    """
    host = public_host.rpartition(":")[0] if public_host.rpartition(":")[2].isdecimal() else public_host
    host = host.strip("[]").rstrip(".").lower()
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        pass
    else:
        return (
            "an address of a private network"
            if not address.is_global
            else "a bare address: no certificate fits it"
        )
    if "." not in host and host not in _ENDINGS:
        return _HERE
    labels = host.split(".")
    endings = (".".join(labels[at:]) for at in range(len(labels)))
    return next((_ENDINGS[ending] for ending in endings if ending in _ENDINGS), None)
