#!/usr/bin/env bash
# Installs the Debian packages that some tests need and that pip does not have: envs/debian.sh slurm
# Ends with 1, and one sentence, where it cannot; those tests are skipped then.
set -euo pipefail

declare -A PACKAGES=(
    [browser]="chromium-headless-shell fonts-dejavu-core"
    [slurm]="slurmctld slurmd slurm-client munge"
)
declare -A PROGRAMS=(
    [browser]="chromium-headless-shell"
    [slurm]="slurmctld"
)

wanted=()
for name in "$@"; do
    if [ -z "${PACKAGES[$name]:-}" ]; then
        echo "envs/debian.sh: no '$name'; there is ${!PACKAGES[*]}" >&2
        exit 2
    fi
    # daemons are in /usr/sbin, which is not on everybody's path
    PATH="$PATH:/usr/sbin" command -v "${PROGRAMS[$name]}" > /dev/null || wanted+=("$name")
done
[ ${#wanted[@]} -eq 0 ] && exit 0
if [ "$(id -u)" != 0 ] || ! command -v apt-get > /dev/null; then
    echo "envs/debian.sh: ${wanted[*]} cannot be installed here: that takes root and apt-get" >&2
    exit 1
fi
read -ra names <<< "$(for name in "${wanted[@]}"; do echo "${PACKAGES[$name]}"; done | tr '\n' ' ')"
export DEBIAN_FRONTEND=noninteractive
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if ! { apt-get update -qq && apt-get install -y -qq --no-install-recommends "${names[@]}"; } > "$log" 2>&1; then
    echo "envs/debian.sh: ${wanted[*]} cannot be installed: $(tail -n 1 "$log")" >&2
    exit 1
fi
