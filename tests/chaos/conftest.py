"""The chaos suite runs on the servers of the integration suite."""

from tests.integration.conftest import fresh, server_control, servers

__all__ = ["fresh", "server_control", "servers"]
