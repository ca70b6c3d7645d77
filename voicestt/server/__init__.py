"""How the world reaches us: HTTP, the WebSocket, the live calls, and their wiring."""
