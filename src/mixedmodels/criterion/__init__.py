"""What is minimised: the protocol that searches use, and the criterion of linear mixed models."""
