"""How a network computes here, by rules on what its layers are; benchmarks/README.md has how each was measured."""
