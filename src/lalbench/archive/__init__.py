"""One file per study: what was found, from what, by which code; checked and run again from it.

An archive is a zip file that Zenodo and WorkflowHub understand (an RO-Crate).
:mod:`lalbench.archive.writing` makes it, :mod:`lalbench.archive.checking` checks its hashes,
:mod:`lalbench.archive.rerunning` runs its study again and compares.
"""
