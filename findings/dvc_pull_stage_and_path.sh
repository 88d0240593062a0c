#!/usr/bin/env bash
# DVC 3.67.1: `dvc pull STAGE PATH` forgets the path without a word, if a directory has the stage's name.
#
# A stage `data` has an output data/raw; another stage has data/model/weights. Each of the targets can be pulled: the
# stage by its name, the other output by its path. Asked for both in one call, DVC pulls the stage alone, says nothing of
# the path, and ends with 0: the file is simply not there afterwards. Asked for by two paths, both come.
#
# Seen (2026-11): after `dvc pull data data/model/weights` data/raw is there and data/model/weights is not; status 0.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check dvc==3.67.1
export PATH="$folder/venv/bin:$PATH" DVC_NO_ANALYTICS=1 HOME="$folder"

mkdir project && cd project
git init --quiet && git config user.name Test && git config user.email test@example.org
dvc init --quiet && dvc remote add --quiet --default store "$folder/store"
cat > dvc.yaml <<'YAML'
stages:
  data: {cmd: mkdir -p data && echo raw > data/raw, outs: [data/raw]}
  train: {cmd: mkdir -p data/model && echo weights > data/model/weights, deps: [data/raw], outs: [data/model/weights]}
YAML
dvc repro --quiet && git add -A && git commit --quiet -m built && dvc push --quiet

forget() { rm -rf data .dvc/cache; }
there() { for f in data/raw data/model/weights; do if [ -e $f ]; then echo -n "$f "; fi; done; }
forget; dvc pull --quiet data; echo "pull data:                         $(there)"
forget; dvc pull --quiet data/model/weights; echo "pull data/model/weights:           $(there)"
forget; dvc pull data/raw data/model/weights > /dev/null; paths=$(there); echo "pull data/raw data/model/weights:  $paths"
forget; status=0; dvc pull data data/model/weights > said.txt 2>&1 || status=$?
both=$(there); echo "pull data data/model/weights:      $both(status $status)"
[[ $paths == "data/raw data/model/weights " ]] || { echo "CHANGED: two paths do not come"; exit 1; }
[[ $both == "data/raw " && $status == 0 ]] || { cat said.txt; echo "CHANGED: the path is pulled, too, or missed aloud"; exit 1; }
echo "As described."
