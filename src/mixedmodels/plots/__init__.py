"""Pictures. Functions take arrays and tables and return a matplotlib Figure.

One file per family; `style` holds colours and layout, `smooth` and `contours` the curves that only
a picture needs. No function fits a model or knows one, and none shows anything by itself.
"""
