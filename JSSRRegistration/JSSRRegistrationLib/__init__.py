"""What JSSR needs of Slicer: MRML nodes, the worker process, tables, terminology, panel."""
