import sys

import pytest

only_on_linux = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc, /dev/full, inotify or prlimit")
