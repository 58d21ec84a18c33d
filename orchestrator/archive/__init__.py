"""Where images are kept, on any object storage."""
