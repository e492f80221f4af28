"""Pictures. Functions take arrays and tables and return a matplotlib Figure.

One file per family; `palette` holds the colours, `style` fonts and layout, `smooth` and `contours`
the curves that only a picture needs. The functions are independent of models and fits, and none
shows anything by itself: `figure` makes figures that pyplot does not manage.
"""
