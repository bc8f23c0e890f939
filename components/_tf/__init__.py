"""SavedModels, signatures and feature specs, shared by the stages that hold TensorFlow."""
