"""A trained network at work: pictures as the dataset has them, the classifier, where it looks, its page, its export."""
