"""Pictures. Functions take arrays and tables and return a matplotlib Figure.

They neither fit nor compute statistics, and they show nothing by themselves.
"""
