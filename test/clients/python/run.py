"""Runs every test of this folder; the last line counts them."""

import logging
import pathlib
import sys
import unittest

HERE = pathlib.Path(__file__).parent


def main() -> int:
    # Test cases run the event loop in debug mode, which reports every step that is slow.
    logging.getLogger("asyncio").setLevel(logging.ERROR)
    suite = unittest.defaultTestLoader.discover(str(HERE), top_level_dir=str(HERE))
    result = unittest.TextTestRunner(stream=sys.stdout, verbosity=2).run(suite)
    failed = len(result.failures) + len(result.errors) + len(result.unexpectedSuccesses) + len(result.skipped)
    print(f"\n{result.testsRun - failed} passed, {failed} failed", flush=True)
    return 0 if failed == 0 and result.testsRun > 0 else 1


if __name__ == "__main__":
    sys.exit(main())
