#!/usr/bin/env bash
# DVC 3.67.1: a metric that is NaN before and after is a change, for ever; lists are left out without a word.
#
# A diverged run writes NaN, which Python's json module reads and writes. Then
#   - `dvc metrics diff` lists the metric as changed although nothing changed (expected: no line, as for equal numbers);
#   - `dvc metrics diff --json` prints a bare NaN, which is not JSON: RFC 8259 (section 6) does not permit it, and strict
#     readers (jq 1.6 reads null; JavaScript's JSON.parse refuses) do not agree on it;
#   - a metric that is a list ([mean, sd] of an Inception score, say) is shown by no command, changed or not.
#
# Seen (2026-11): "m.json  fid  nan  nan  nan" in a tree without a change, and exit status 0.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check dvc==3.67.1
export PATH="$folder/venv/bin:$PATH" DVC_NO_ANALYTICS=1 HOME="$folder"

mkdir project && cd project
git init --quiet && git config user.name Test && git config user.email test@example.org
dvc init --quiet
echo '{"fid": NaN, "kid": 0.25, "is": [3.5, 0.1]}' > m.json
echo 'metrics: [m.json]' > dvc.yaml
git add -A && git commit --quiet -m start

echo "Nothing has changed; dvc metrics diff:"
dvc metrics diff | tee diff.txt
dvc metrics diff --json | tee diff.json
grep -q 'fid.*nan.*nan' diff.txt || { echo "CHANGED: an unchanged NaN is no change any more"; exit 1; }
! grep -q kid diff.txt || { echo "CHANGED: an equal number is listed, too"; exit 1; }
python - <<'PY'
import json
def refuse(name):
    raise ValueError(name)
try:
    json.loads(open("diff.json").read(), parse_constant=refuse)
except ValueError as error:
    assert str(error) == "NaN", error
else:
    raise SystemExit("CHANGED: --json is JSON now")
PY
sed -i 's/3.5/9.5/' m.json
dvc metrics diff --all | tee all.txt
! grep -q "is" all.txt || { echo "CHANGED: lists are shown"; exit 1; }
echo "As described."
