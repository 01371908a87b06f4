"""The panels of the workbook: ipywidgets where a person sits, static HTML and text anywhere else.

Nothing is imported here: a headless run never loads ipywidgets.
"""
