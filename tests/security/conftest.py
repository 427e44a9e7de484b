"""The security suite runs on the servers of the integration suite, and on a whole stack of its own."""

from tests.integration.conftest import connect_worker, connected, fresh, server_control, servers
from tests.security.attacking import attacked, chromium

__all__ = ["attacked", "chromium", "connect_worker", "connected", "fresh", "server_control", "servers"]
