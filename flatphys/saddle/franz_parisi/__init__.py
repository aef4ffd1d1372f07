"""The local entropy around a reference (Franz and Parisi)."""
