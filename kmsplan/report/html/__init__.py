"""Reports as one HTML file: what a page consists of, and how it becomes text.

A report builds a `Page` and knows no markup; `render` knows markup and no report. The file needs no network and runs
one script, its own. Text of others is data everywhere: the template escapes it, and the script writes nothing but text.
"""
