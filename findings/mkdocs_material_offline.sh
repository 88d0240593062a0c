#!/usr/bin/env bash
# mkdocs-material 9.8.2: pages that its plugin `offline` builds ask a host elsewhere for a script.
#
# The plugin is there so that a site works from a folder, without a server or a network. Each page that it builds has a
# <script> from unpkg.com (a shim for search in a frame); without the plugin no page has. Who needs pages that ask nobody
# (a closed network, a privacy rule) gets them by leaving `offline` out, and serves them on loopback so that search works.
#
# Seen (2026-11): with `offline` one script from unpkg.com in index.html; without it none.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check mkdocs==1.6.1 mkdocs-material==9.8.2
mkdir docs && echo '# A page' > docs/index.md
build() {
    printf 'site_name: A site\ntheme: {name: material, font: false}\nplugins: [%s]\n' "$1" > mkdocs.yml
    NO_MKDOCS_2_WARNING=1 venv/bin/mkdocs build --quiet --site-dir "$2" 2> /dev/null
    grep -oE '<script[^>]*src="?https?://[^" >]+' "$2/index.html" | sort -u || true
}
with=$(build 'search, offline' with) without=$(build 'search' without)
echo "with offline: ${with:-no script from elsewhere}"
echo "without: ${without:-no script from elsewhere}"
[[ $with == *unpkg.com* ]] || { echo "CHANGED: the offline plugin asks nobody any more"; exit 1; }
[[ -z $without ]] || { echo "CHANGED: pages without the plugin ask others, too"; exit 1; }
echo "As described."
