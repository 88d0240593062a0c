#!/usr/bin/env bash
# `make test-cluster`: installs Debian's Slurm and Snakemake's plugin for it, and runs the tests; arguments go to pytest.
# Without any, MariaDB comes, too, for the tests of a Slurm with accounting. Where that cannot be done it fails, unless
# WHERE_POSSIBLE is set. Daemons, jobs and files of the tests are gone when it ends (files of tests that fail stay); the
# packages stay (and where systemd runs, the service that comes with munge, which the tests do not use).
set -euo pipefail
cd "$(dirname "$0")/../.."

cannot() {
    echo "test-cluster cannot run here: $1"
    if [ -n "${WHERE_POSSIBLE:-}" ]; then exit 0; else exit 1; fi
}

[ "$(id -u)" = 0 ] || cannot "only root may install and start Slurm"
packages=(munge slurmctld slurmd slurm-client)
if [ $# = 0 ]; then packages+=(slurmdbd slurm-wlm-mysql-plugin mariadb-server-core mariadb-client-core); fi
if ! dpkg --status "${packages[@]}" >/dev/null 2>&1; then
    command -v apt-get >/dev/null || cannot "there is no apt-get to install ${packages[*]}"
    { apt-get update && DEBIAN_FRONTEND=noninteractive \
        apt-get install --yes --no-install-recommends "${packages[@]}"; } >/dev/null 2>&1 ||
        cannot "apt-get cannot install ${packages[*]}"
    echo "installed by apt-get: ${packages[*]}"
fi
python -m pip install --quiet --disable-pip-version-check --no-build-isolation --editable .[slurm]

# What was tested, by its version.
dpkg-query --show --showformat '${Package} ${Version}\n' "${packages[@]}"
python -m pip list --disable-pip-version-check 2>/dev/null | grep -E '^(snakemake|dvc|torch) |^snakemake-executor' | tr -s ' '

# Each file has a cluster of its own, and spends most of its time waiting for it.
files=$(mktemp -d)
pytest tests/cluster --numprocesses 4 --dist loadfile --durations 0 --basetemp "$files/tests" "$@"
rm -rf "$files"
