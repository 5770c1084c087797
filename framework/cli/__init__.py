"""The command line: `framework run`, `framework routes`, `framework new`, and aiohttp's `python -m framework.web`."""
