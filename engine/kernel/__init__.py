"""Linux 6.1, i386: one file and one class per Linux source file. Its door is `kernel.py`."""
