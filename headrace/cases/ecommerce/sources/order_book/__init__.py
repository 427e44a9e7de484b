"""Order books in the columns of the UCI data set Online Retail."""
