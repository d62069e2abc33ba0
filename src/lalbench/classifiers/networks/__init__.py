"""Networks for images as classifiers: architectures, recipes, trainer and signals."""
