"""Delivery of events from the journal: to webhooks, to Redis Streams and to live listeners."""
