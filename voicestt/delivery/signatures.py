"""The headers of a signed event, by which a receiver knows its sender and that nobody changed it.

Source: Standard Webhooks, specification 1.0.0, "Webhook headers" and "Signature scheme": the key signs the id, the
time in seconds and the body, with full stops between them, by HMAC-SHA256. Any of its libraries can check it.
"""

import hmac
from base64 import b64encode
from collections.abc import Mapping, Sequence


def signed(keys: Sequence[bytes], event_id: str, timestamp: int, body: bytes) -> Mapping[str, str]:
    """Returns the headers of an event sent at `timestamp`, seconds since 1970, with a signature by each key."""
    content = b"%s.%d.%s" % (event_id.encode(), timestamp, body)
    signatures = (b64encode(hmac.digest(key, content, "sha256")).decode() for key in keys)
    return {
        "webhook-id": event_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(f"v1,{signature}" for signature in signatures),
    }
