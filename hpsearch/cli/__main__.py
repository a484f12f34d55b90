"""`python -m hpsearch.cli`: the command without its entry point."""

import signal

from hpsearch.cli.main import main

signal.signal(signal.SIGPIPE, signal.SIG_DFL)
main()
