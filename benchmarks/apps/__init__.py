"""One module per framework, each with the same functions:

- `app(*workloads)`: an application with the routes of these workloads, in their order
- `middlewares()`: the plain-text application behind five pass-through middlewares
- `routes(templates)`: an application with a route per template, which answers with the path parameter `id`
- `served()`: the application that the servers run

Each is written as the framework's own documentation shows, with its fastest documented response class and, where it
documents how to plug one in, the fastest JSON library.
"""

from __future__ import annotations


class UnsupportedError(Exception):
    """The framework cannot express this workload."""
