"""The security suite runs on the servers of the integration suite."""

from tests.integration.conftest import connect_worker, connected, fresh, server_control, servers

__all__ = ["connect_worker", "connected", "fresh", "server_control", "servers"]
