"""Reference pages, fault pictures and score reports generated from the tables in the code."""
