"""Every option of the recipes, declared once.

``--help``, the checks, the defaults of the commands that have the same options, and the
dry run all read these classes, one module for each script. A value that was read is an
attribute of an instance.
"""
