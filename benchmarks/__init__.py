"""The framework beside its peers: `scripts/bench`. README.md says how it is measured."""
