"""Export a trained model to files for a device, and check them."""
