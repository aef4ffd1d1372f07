"""What can be asked at every point of a sweep."""
