#!/usr/bin/env bash
# Puts the sample order files into the corpus of the fuzz target.
set -euo pipefail
cd "$(dirname "$0")"
mkdir -p corpus/order_file
for file in ../node/tests/data/order_files/*.jsonl; do
    case "$file" in *.answers.jsonl) ;; *) cp "$file" corpus/order_file/ ;; esac
done
