"""Events to those who listen now: server-sent events and WebSocket."""
