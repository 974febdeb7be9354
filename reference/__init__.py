"""The course's assignments solved: shared kernels, Modules and training, and a folder per assignment."""
