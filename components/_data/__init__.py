"""Examples as Parquet and Arrow: reading, writing and the canonical TFX record batches."""
