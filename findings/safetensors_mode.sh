#!/usr/bin/env bash
# safetensors 0.8.0: save_file makes files that their owner alone can read, whatever the umask says.
#
# A file of weights is made to be shared. Under umask 022 open(), numpy.save, torch.save and pickle make files of mode
# 0644; safetensors.numpy.save_file (and the same function of the other back ends) makes them 0600: on a group's disk or
# a web server's folder others get "permission denied" for this format alone. `save` returns bytes, and a file that is
# written from them has the usual mode. A file that is there already and has another mode is replaced by one of 0600, too.
#
# Seen (2026-11): "save_file 0o600, open 0o644".
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check safetensors==0.8.0 numpy==2.4.6
umask 022
venv/bin/python - <<'PY'
import os, pathlib, numpy as np
from safetensors.numpy import save, save_file

def mode(name):
    return oct(os.stat(name).st_mode & 0o777)

weights = {"a": np.zeros(3, np.float32)}
save_file(weights, "saved.safetensors")
pathlib.Path("opened.safetensors").write_bytes(save(weights))
pathlib.Path("again.safetensors").write_bytes(b"")
before = mode("again.safetensors")
save_file(weights, "again.safetensors")
print(f"save_file {mode('saved.safetensors')}, open {mode('opened.safetensors')}, replaced {before} -> {mode('again.safetensors')}")
if mode("saved.safetensors") != "0o600" or mode("opened.safetensors") != "0o644":
    raise SystemExit("CHANGED: save_file follows the umask, or open does not")
if mode("again.safetensors") != "0o600":
    raise SystemExit("CHANGED: a file that is there keeps its mode")
PY
echo "As described."
