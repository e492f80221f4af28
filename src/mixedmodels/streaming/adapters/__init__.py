"""What each library is as a source: one module each, which alone knows that library."""
