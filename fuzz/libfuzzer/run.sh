#!/usr/bin/env bash
# Runs targets under libFuzzer, one after the other, each beginning with its seeds: run.sh [SECONDS] [TARGET..]
# What breaks one is kept in artifacts/TARGET; once it is mended, it belongs into ../found/TARGET.
set -euo pipefail
cd "$(dirname "$0")"

seconds="${1:-60}"
shift || true

cargo run --quiet -p gridbook-fuzz --manifest-path ../Cargo.toml --example seeds -- corpus
targets=("$@")
[ ${#targets[@]} -gt 0 ] || mapfile -t targets < <(ls corpus)

# Not the address sanitizer: there is next to no unsafe code to watch, and it costs half the speed.
cargo +nightly fuzz build --fuzz-dir . --sanitizer none any
fuzzer="$(find target -path '*/release/any' -type f | head -n 1)"
for target in "${targets[@]}"; do
    mkdir -p "artifacts/$target"
    printf '\n== %s\n' "$target"
    GRIDBOOK_FUZZ_TARGET="$target" "$fuzzer" "corpus/$target" -artifact_prefix="artifacts/$target/" \
        -max_total_time="$seconds" -max_len=16384 -timeout=25 -rss_limit_mb=2048 -print_final_stats=1 2>&1 |
        grep -E 'ERROR|panicked|SUMMARY|Test unit written|stat::number_of_executed_units|stat::new_units|stat::peak_rss' || true
done
