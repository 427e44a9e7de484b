"""The two use cases: packages of topics, tables, sources, processors and models. Only packages import them."""
