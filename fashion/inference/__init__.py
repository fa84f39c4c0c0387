"""A trained network at work: pictures in the form of the dataset, the classifier, its export."""
