"""Task types: a small file each."""
