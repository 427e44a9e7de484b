"""Access control for all HTTP ports: credentials, origins, host names, and connection limits.

The rules are pure (`rules`, `sessions`, `clients`). `asgi` and `wsgi` wrap an application with them, `connections`
limits a server's open connections, and `doors` has the rules of each port. Nothing here depends on the application.
"""
