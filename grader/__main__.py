"""`python -m grader …`: see `grader.command_line`."""

import sys

from grader.command_line import main

sys.exit(main())
