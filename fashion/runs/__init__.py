"""One experiment with one seed, on disk.

A run is a directory, `<logs>/<stem>_logs/seed_<k>/`:

    history.csv           one line an epoch; in a validation run its test_* columns are of the held-out images
    run.json              the recipe, the seed, on how many images, where and with what: `fashion.runs.record.Record`
    predictions.bin       the class given to each evaluated image after the last epoch, one byte each
    outputs.npy           what the network returns for these images and for their mirror images, where it is kept
    weights.safetensors   the network's weights, where they are kept

Runs that leave the test set alone and are evaluated on a validation split lie under `<logs>/validation/`. Nothing
outside this room opens these files, but for weights, which `fashion.inference` loads wherever they lie;
`fashion.runs.record` reads the others without torch.
"""
