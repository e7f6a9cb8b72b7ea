//! Bodies of the fuzz targets; the unit tests replay the committed seeds through them.
