"""Serving an application over sockets, with uvicorn: `run_app` and what it is made of."""
