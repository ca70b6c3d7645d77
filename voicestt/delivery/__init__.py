"""From the journal outwards: a webhook, Redis Streams, and pages that listen."""
