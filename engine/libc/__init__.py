"""glibc 2.36's allocator for i386. It reaches memory only through the CPU, and the kernel only through int $0x80."""
