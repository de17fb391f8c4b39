"""The data model of a small, imaginary cluster manager: three components, each with a database of its own."""
