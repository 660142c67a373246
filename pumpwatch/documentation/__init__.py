"""Reference pages and fault pictures, generated from the tables in the code."""
