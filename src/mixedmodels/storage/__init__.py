"""Fits to files and back: one zip file of JSON and .npy members, versioned and checked, no pickle.

`values` writes and reads values of known types, `labels` the indexes of pandas, `container` the
bytes of a file; `fits` puts them together and says which types a fit is made of.
"""
