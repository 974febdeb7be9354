#!/usr/bin/env bash
# Gradescope runs this once, as root and with a network, when it builds the image. Each step is a function:
#
#   bash setup.sh              all of them, in order
#   bash setup.sh data check   only these
#
# Any step that fails ends the build: better no autograder than one that grades on half of what it needs.
set -euo pipefail

SOURCE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
ENVIRONMENT=${CHALKBENCH_ENVIRONMENT:-/opt/chalkbench} # not below /autograder or /root: another user has to read it
PYTHON=${CHALKBENCH_PYTHON:-$ENVIRONMENT/bin/python}
CHOSEN=/usr/local/bin/chalkbench-python # the system's Python that the environment is made with

is_new_enough() {
  command -v "$1" >/dev/null && "$1" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
}

# A Python of 3.11 or newer with venv. The container allows no namespaces, so bubblewrap would be of no use.
step_system() {
  export DEBIAN_FRONTEND=noninteractive
  apt-get update
  apt-get install -y --no-install-recommends ca-certificates python3 python3-venv
  local version
  for version in 3 3.13 3.12 3.11; do
    if ! is_new_enough "python$version" && [ "$version" != 3 ]; then
      apt-get install -y --no-install-recommends "python$version" "python$version-venv" || continue
    fi
    if is_new_enough "python$version"; then
      ln -sf "$(command -v "python$version")" "$CHOSEN"
      return
    fi
  done
  echo "expected Python 3.11 or newer, found none for this base image: choose a newer Ubuntu on Gradescope" >&2
  return 1
}

# pip asks the index that pip.conf names, if there is one in the zip.
step_packages() {
  "$CHOSEN" -m venv --clear "$ENVIRONMENT"
  if [ -e "$SOURCE/pip.conf" ]; then export PIP_CONFIG_FILE="$SOURCE/pip.conf"; fi
  "$PYTHON" -m pip install --no-cache-dir --disable-pip-version-check \
    -c "$SOURCE/constraints.txt" -r "$SOURCE/requirements.txt"
  chmod -R go+rX "$ENVIRONMENT"
}

step_data() {
  local sets=(@data@)
  local name
  for name in ${sets[@]+"${sets[@]}"}; do
    (cd "$SOURCE" && "$PYTHON" -m data_scripts.@made_by@ "$name" --root "$SOURCE/data")
  done
}

# The grader's own modules, compiled once and not for every submission.
step_compile() {
  "$PYTHON" -m compileall -q "$SOURCE/grader" "$SOURCE/data_scripts"
}

# Nothing here is for submitted code to read.
step_close() {
  chmod -R go-rwx "$SOURCE"
}

# Whether submissions would run under another user's id; the id itself is a free one, drawn for each run.
step_check() {
  "$PYTHON" -I -S -X utf8 "$SOURCE/grade.py" --check
}

if [ "$#" -eq 0 ]; then set -- system packages data compile close check; fi
for step in "$@"; do
  echo "==> setup: $step"
  "step_$step"
done
