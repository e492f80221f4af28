"""Text and HTML of fitted models; numbers come in, strings go out."""
