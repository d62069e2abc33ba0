"""The stages of the workflow: each reads files, calls the library and writes files.

One module per stage: Snakemake reruns a stage when the code that its module imports changes.
"""
