#!/usr/bin/env bash
# `make test-cluster`: installs Debian's Slurm and Snakemake's plugin for it, and runs the tests; arguments go to pytest.
# Where that cannot be done it fails, unless WHERE_POSSIBLE is set. Daemons, jobs and files of the tests are gone when
# it ends; the packages stay (and where systemd runs, the service that comes with munge, which the tests do not use).
set -euo pipefail
cd "$(dirname "$0")/../.."

cannot() {
    echo "test-cluster cannot run here: $1"
    if [ -n "${WHERE_POSSIBLE:-}" ]; then exit 0; else exit 1; fi
}

[ "$(id -u)" = 0 ] || cannot "only root may install and start Slurm"
packages=(munge slurmctld slurmd slurm-client)
if ! dpkg --status "${packages[@]}" >/dev/null 2>&1; then
    command -v apt-get >/dev/null || cannot "there is no apt-get to install ${packages[*]}"
    { apt-get update && DEBIAN_FRONTEND=noninteractive \
        apt-get install --yes --no-install-recommends "${packages[@]}"; } >/dev/null 2>&1 ||
        cannot "apt-get cannot install ${packages[*]}"
    echo "installed by apt-get: ${packages[*]}"
fi
python -m pip install --quiet --disable-pip-version-check --no-build-isolation --editable .[slurm]
pytest tests/cluster "$@"
