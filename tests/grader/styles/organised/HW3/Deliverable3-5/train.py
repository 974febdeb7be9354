"""The map is in a module beside; this file has its handle only."""
from maps import cam
