"""What stands before every HTTP port: who may ask, from where, by which name, and how many connections they may hold.

The rules are pure (`rules`, `sessions`, `clients`); `asgi` and `wsgi` put them before an application, `connections`
bounds what a server holds open, and `doors` has the rules of each port. Nothing here knows what is served.
"""
