#!/usr/bin/env python3
"""What a start costs: a tool is linked with no library that most of its stages do not use."""
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tools"))
import harness

# Each is loaded by the component, codec or option that needs it (common/base/shared_library.h).
ON_DEMAND = ["libbz2", "libcrypto", "libcurl", "libisal", "liblz4", "liblzma", "libmicrohttpd",
             "libpcre2-8", "librdkafka", "libsimdjson", "libsnappy", "libssl", "libz", "libzstd"]


class Start(harness.Case):
    def linked(self, tool: str) -> list:
        """Also what its libraries are linked with: the loader prints it and runs nothing."""
        run = subprocess.run([os.path.join(harness.BIN, tool)],
                             env={**os.environ, "LD_TRACE_LOADED_OBJECTS": "1"},
                             stdout=subprocess.PIPE, timeout=60, check=True)
        return re.findall(rb"^\s*([\w+-]+?)\.so", run.stdout, re.M)

    def test_libraries_that_few_stages_use_are_loaded_when_they_are_needed(self):
        for tool in ("fl-source", "fl-intercept", "fl-channel", "fl-sink"):
            names = [name.decode() for name in self.linked(tool)]
            self.assertIn("libc", names)
            self.assertEqual([name for name in names if name in ON_DEMAND], [], tool)


if __name__ == "__main__":
    harness.main()
