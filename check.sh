#!/usr/bin/env bash
# Everything a change must pass: format, lints, tests, and a short market day whose report is checked.
#   ./check.sh            all of it
#   ./check.sh fmt lint   only the named steps: fmt lint test files demo sim defects
set -euo pipefail
cd "$(dirname "$0")"

steps=("$@")
[ ${#steps[@]} -gt 0 ] || steps=(fmt lint test files demo sim defects)

gridbook="${CARGO_TARGET_DIR:-target}/release/gridbook"

say() { printf '\n== %s\n' "$*"; }

step_fmt() {
    say "format"
    cargo fmt --all --check
}

step_lint() {
    say "lints, warnings denied"
    cargo clippy --workspace --all-targets --locked -- -D warnings
}

step_test() {
    say "tests"
    cargo test --workspace --locked
}

# The tests ran order files and auctions in a debug build; the release build must give the same bytes.
step_files() {
    say "markets from files, release build"
    cargo build --release --locked
    local answers input count=0 prices
    for answers in node/tests/data/order_files/*.answers.jsonl; do
        input="${answers%.answers.jsonl}.jsonl"
        "$gridbook" match --json --shards 3 --batch 7 --input "$input" 2>/dev/null | sed '$d' | cmp - "$answers"
        count=$((count + 1))
    done
    prices="$(mktemp)"
    local week=node/tests/data/italy
    "$gridbook" auction --orders "$week/orders.csv.gz" --network "$week/network.csv.gz" \
        --border-prices "$week/border-prices.csv.gz" --expect-prices "$week/expected-prices.csv.gz" --strict --prices "$prices"
    rm -f "$prices"
    echo "$count order files answered as drawn"
}

# A market day of a small town, the leader killed at noon. Forty seconds: in less, a busy machine has no time for all its orders. The exit code
# says whether every invariant held; the report is read once more here, so that a demo that checks nothing cannot pass.
step_demo() {
    say "demo: 100 meters, the leader killed"
    cargo build --release --locked
    local report
    report="$(mktemp)"
    "$gridbook" demo --meters 100 --seconds 40 --headless --kill-one --report "$report"
    check_report "$report" 100 9000
    rm -f "$report"
}

# Whole validators on virtual time, with kills, bad networks and liars: some seeds each.
step_sim() {
    say "simulated clusters"
    cargo build --release --locked
    for faults in crash network byzantine all; do
        "$gridbook" sim run --seeds 1..26 --seconds 20 --faults "$faults" | tail -n 1
    done
    "$gridbook" sim run --seeds 1..6 --seconds 20 --faults all --validators 7 | tail -n 1
    "$gridbook" sim twins --sample 8000
}

# A simulation that finds nothing proves little until it was seen to find something: clauses of the rules are left out one by one, in a
# test build, so that no binary with such switches is left behind. `gridbook sim defects` shows the table.
step_defects() {
    say "seeded defects"
    cargo clippy --package gridbook-node --features defects --all-targets --locked -- -D warnings
    cargo test --package gridbook-sim --features defects --locked --lib --test defects
}

# Reads a report without any tool that a bare machine may lack.
check_report() {
    local report="$1" meters="$2" orders="$3"
    value() { tr -d ' \n' <"$report" | sed -n "s/.*\"$1\":\([^,}]*\).*/\1/p" | tr -d '"'; }
    inner() { tr -d ' \n' <"$report" | sed -n "s/.*\"$1\":{\([^}]*\)}.*/\1/p" | sed -n "s/.*\"$2\":\([^,}]*\).*/\1/p" | tr -d '"'; }
    must() { if ! [ "$2" "$3" "$4" ]; then echo "the demo's report: $1 is $2, and should be $3 $4" >&2; exit 1; fi; }
    must validators "$(value validators)" -eq 4
    must meters "$(value meters)" -eq "$meters"
    must signed_orders "$(value signed_orders)" -ge "$orders"
    must trades "$(value trades)" -gt 0
    must energy_wh "$(value energy_wh)" -gt 0
    must money_sum_nano "$(value money_sum_nano)" = 0
    must state_roots_equal "$(value state_roots_equal)" = true
    must "receipts requested" "$(inner receipts requested)" -gt 0
    must "receipts verified" "$(inner receipts verified)" -eq "$(inner receipts requested)"
    must good "$(value good)" = true
    must "periods settled" "$(inner settlement periods_settled)" -ge 90
    must "periods final" "$(inner settlement periods_final)" -gt 0
    must "areas frozen" "$(inner settlement areas_frozen)" -eq 0
    must "quarter-hours estimated" "$(inner settlement quarters_estimated)" -gt 0
    must "imbalance account" "$(inner settlement imbalance_account_nano)" = 0
    must "losses account" "$(inner settlement losses_account_nano)" = 0
    must violations "$(inner settlement violations)" -eq 0
    echo "report holds: $(value trades) trades out of $(value signed_orders) signed orders, $(inner receipts verified) receipts verified"
}

for step in "${steps[@]}"; do
    case "$step" in
        fmt | lint | test | files | demo | sim | defects) "step_$step" ;;
        *) echo "unknown step '$step': fmt, lint, test, files, demo, sim, defects" >&2; exit 2 ;;
    esac
done
say "all good"
