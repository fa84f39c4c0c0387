"""How a network computes here: device, precision, layout, forms of convolutions, compilation, graphs, threads.

Each choice follows from what the layers of a network are, by rules that were measured: benchmarks/README.md has them.
"""
