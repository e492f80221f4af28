"""What is made of several fits: pooled imputations, averaged models, and fits by group."""
