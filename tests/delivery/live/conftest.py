from tests.server.conftest import autobahn_clock, server

__all__ = ["autobahn_clock", "server"]  # fixtures
