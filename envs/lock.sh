#!/usr/bin/env bash
# Resolves the dependencies of pyproject.toml afresh and writes the lock files.
# Usage: envs/lock.sh PYTHON [pip options]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
python=$1
shift
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# The packages installed in the scratch environment, without local version labels such as +cpu.
freeze() {
	"$work/venv/bin/python" -m pip list --format=freeze --exclude pip --exclude lalbench |
		sed 's/+[A-Za-z0-9.]*$//' | grep -viE '^(nvidia-|cuda-|triton==)' | sort -f
}

# Writes to $1 its own leading comment followed by the standard input.
write() {
	{
		sed '/^#/!,$d' "$1"
		cat
	} >"$work/new"
	cp "$work/new" "$1"
}

"$python" -m venv "$work/venv"
pip=("$work/venv/bin/python" -m pip install --quiet "$@")
"${pip[@]}" --upgrade setuptools
"${pip[@]}" .
freeze >"$work/requirements"
cp "$work/requirements" "$work/constraints"
write envs/requirements.txt <"$work/requirements"
# The extras have to fit the runtime, and each lists only what it adds to it.
for extra in slurm activeml dev; do
	"$python" -m venv --clear "$work/venv"
	"${pip[@]}" --upgrade setuptools
	"${pip[@]}" --constraint "$work/constraints" ".[$extra]"
	freeze | comm -13 "$work/requirements" - | write "envs/requirements-$extra.txt"
done
