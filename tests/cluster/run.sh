#!/usr/bin/env bash
# `make test-cluster`: installs Debian's Slurm and Snakemake's plugin for it, and runs the tests; arguments go to pytest.
# Where that cannot be done it fails, unless WHERE_POSSIBLE is set. Daemons, jobs and files of the tests are gone when
# it ends; the packages stay.
set -euo pipefail
cd "$(dirname "$0")/../.."

cannot() {
    echo "test-cluster cannot run here: $1"
    if [ -n "${WHERE_POSSIBLE:-}" ]; then exit 0; else exit 1; fi
}

packages=(munge slurmctld slurmd slurm-client)
if ! dpkg --status "${packages[@]}" >/dev/null 2>&1; then
    command -v apt-get >/dev/null || cannot "there is no apt-get to install ${packages[*]}"
    [ "$(id -u)" = 0 ] || cannot "only root may install ${packages[*]}"
    # In runlevel 1 no service is started by being installed.
    { apt-get update && RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive \
        apt-get install --yes --no-install-recommends "${packages[@]}"; } >/dev/null 2>&1 ||
        cannot "apt-get cannot install ${packages[*]}"
    echo "installed by apt-get: ${packages[*]}"
fi
[ "$(id -u)" = 0 ] || cannot "slurmd must be started by root"

python -m pip install --quiet --disable-pip-version-check --no-build-isolation --editable .[slurm]
pytest tests/cluster "$@"
