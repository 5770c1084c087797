"""The conversation with the ASGI server, one module for each type of scope."""
