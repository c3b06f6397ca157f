"""The simulated PC: RAM, paging, TLB, segmentation, CPU. It knows nothing of Linux and nothing of glibc.

An access goes segmentation -> TLB -> two-level walk -> frame; a fault is delivered by the CPU to whoever registered for it.
"""
