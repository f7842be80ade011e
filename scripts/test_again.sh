#!/usr/bin/env bash
# Runs once more what failed last, with nothing beside it. A test that waits for a browser or for a
# killed process may meet its deadline on a busy machine; what is broken fails again, and Hypothesis
# repeats the example that failed. More than three failures are no accident.
set -euo pipefail

# pytest-xdist writes the group of a test behind its name: test_day.py::test_a_day[calm]@day
mapfile -t failed < <(.venv/bin/python - <<'END'
import json, pathlib, re
cache = pathlib.Path(".pytest_cache/v/cache/lastfailed")
# In this order pytest leaves each folder once: with 9.1 it forgets the fixtures of one it left.
for name in sorted(json.loads(cache.read_text())) if cache.exists() else ():
    print(re.sub(r"@[\w ]+$", "", name))
END
)
if [ "${#failed[@]}" -eq 0 ] || [ "${#failed[@]}" -gt 3 ]; then
  echo "${#failed[@]} failures are not run again" >&2
  exit 1
fi
echo "Run again alone. What passes now is a defect still: of the test, or of what it waits for."
printf '  %s\n' "${failed[@]}"
.venv/bin/pytest --no-header -q "$@" "${failed[@]}"
