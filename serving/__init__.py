"""A model server for laptops and tests that keeps TF Serving's interfaces."""
