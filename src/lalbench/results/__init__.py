"""What the trials of a study say: summaries, statistics, tables, figures and the report.

Reads trial files only; nothing here reruns a trial. The commands are
:func:`lalbench.results.tables.write_tables`, :func:`lalbench.results.figures.write_figures`,
:func:`lalbench.results.report.write_report` and
:func:`lalbench.results.reproduction.write_reproduction`.
"""
