//! Consensus alone: cores of 4 to 49 validators on a simulated network, certificates, and what dead validators cost.

use std::time::Duration;

use criterion::BenchmarkGroup;
use criterion::measurement::WallTime;
use gridbook_benches::conditions;
use gridbook_benches::cores::{Cores, CoresConfig, Measured, root, validator_key, validators};
use gridbook_benches::measure::{self, bench, grouped};
use gridbook_ledger::crypto::{Hash, Signature};
use gridbook_ledger::header::{HeaderRef, Rank};
use gridbook_ledger::hotstuff::{QuorumCert, Timeout, TimeoutCert, TimeoutEntry, Vote};
use gridbook_ledger::validators::ValidatorIndex;

const SETS: [u16; 4] = [4, 7, 13, 49];

fn main() {
    let conditions = conditions::line();
    let quick = std::env::var_os("GRIDBOOK_BENCH_QUICK").is_some();
    let headers = |validators: u16| if quick { 20 } else { 9_800 / u64::from(validators) };
    println!("consensus alone; {conditions}\n");
    steady(headers);
    dead_from_the_start(if quick { 1 } else { 3 });
    leader_death(if quick { 1 } else { 9 });
    let mut criterion = measure::criterion(if quick { 0.1 } else { 1.0 });
    let mut group = criterion.benchmark_group("consensus");
    certificates(&mut group);
}

/// Nobody fails and there is always more log than fits.
fn steady(headers: impl Fn(u16) -> u64) {
    println!(
        "| validators | bytes a command | headers/s | commands/s | latency | leader, processor | follower, processor | commands/s by the slower | leader sends each, bytes a header | in all | a follower sends |\n|---|---|---|---|---|---|---|---|---|---|---|"
    );
    for command_bytes in [0, 512] {
        for count in SETS {
            let config = CoresConfig::new(count, command_bytes);
            let mut cores = Cores::start(config, &[]);
            cores.run(20);
            let measured = cores.run(headers(count));
            println!("{}", steady_row(&config, &measured));
        }
    }
}

fn steady_row(config: &CoresConfig, measured: &Measured) -> String {
    let per_s = |each: Duration| 1.0 / each.as_secs_f64();
    let headers_per_s = measured.headers as f64 * 1e6 / measured.virtual_us as f64;
    let commands = config.commands as f64;
    format!(
        "| {} | {} | {} | {} | {:.1} ms | {} us | {} us | {} | {} | {} | {} |",
        config.validators,
        config.command_bytes,
        grouped(headers_per_s),
        grouped(headers_per_s * commands),
        measured.latency_us as f64 / 1_000.0,
        grouped(measured.leader.as_secs_f64() * 1e6),
        grouped(measured.follower.as_secs_f64() * 1e6),
        grouped(per_s(measured.leader.max(measured.follower)) * commands),
        grouped((measured.leader_bytes / u64::from(config.validators - 1)) as f64),
        grouped(measured.leader_bytes as f64),
        grouped(measured.follower_bytes as f64),
    )
}

/// Terms of ten seconds, so that the dead one's turn comes, and all of them alive for comparison. Over a slow network: fewer headers
/// to the second, and the same shares.
fn dead_from_the_start(terms: u64) {
    let mut config = CoresConfig { hop_us: 5_000, ..CoresConfig::new(4, 0) };
    (config.timing.term_ms, config.timing.term_grace_ms) = (10_000, 1_000);
    let us = terms * 4 * 10_000_000;
    let rate = |dead: &[usize]| Cores::start(config, dead).run_for(us) as f64 * 1e6 / us as f64;
    let all = rate(&[]);
    println!("\n| of four | headers/s | of all alive |\n|---|---|---|");
    println!("| all alive | {} | 100 % |", grouped(all));
    for dead in [0, 1] {
        let rate = rate(&[dead]);
        println!("| validator {dead} dead from the start | {} | {:.0} % |", grouped(rate), rate / all * 100.0);
    }
}

/// Killed after some headers, each time a few more, so that it falls into all parts of a round.
fn leader_death(kills: u64) {
    println!(
        "\n| validators | timer at least | from the leader's death to the next final header, median | worst |\n|---|---|---|---|"
    );
    for count in SETS {
        for min_ms in [50, 200] {
            let mut config = CoresConfig::new(count, 0);
            config.timing.min_ms = min_ms;
            let kill = |number: u64| {
                let mut cores = Cores::start(config, &[]);
                cores.run(20 + number);
                cores.run_for(137 * number);
                cores.kill_leader()
            };
            let mut times: Vec<u64> = (0..kills.max(1)).map(kill).collect();
            times.sort_unstable();
            let [median, worst] = [times[times.len() / 2], times[times.len() - 1]].map(|us| us as f64 / 1_000.0);
            println!("| {count} | {min_ms} ms | {median:.0} ms | {worst:.0} ms |");
        }
    }
}

/// What a leader does for each vote, and everybody for each certificate.
fn certificates(group: &mut BenchmarkGroup<'_, WallTime>) {
    let rows: Vec<String> = SETS.iter().map(|count| certificate_row(group, *count)).collect();
    println!(
        "\n| validators | a vote | a certificate, in one batch | its signatures one by one | a timeout certificate | bytes of a certificate |\n|---|---|---|---|---|---|"
    );
    rows.iter().for_each(|row| println!("{row}"));
}

fn certificate_row(group: &mut BenchmarkGroup<'_, WallTime>, count: u16) -> String {
    let (set, root) = (validators(count), root());
    let header = HeaderRef { rank: Rank { view: 3, slot: 7 }, hash: Hash([5; 32]) };
    let quorum = u16::try_from(set.quorum()).expect("at most 33");
    let votes: Vec<Vote> = (0..quorum)
        .map(|voter| Vote::sign(root.chain, root.epoch, header, ValidatorIndex(voter), &validator_key(voter)))
        .collect();
    let signatures = votes.iter().map(|vote| vote.signature).collect();
    let qc = QuorumCert { epoch: root.epoch, header, signers: (1 << quorum) - 1, signatures };
    let tc = timeout_cert(&qc, quorum);
    let root_qc = QuorumCert { signers: 0, signatures: Vec::new(), header: root.reference(), epoch: root.epoch };
    assert!(tc.verify(root.chain, &set, &root_qc).is_ok(), "what is measured is the good case");
    let mut us = |name: &str, mut work: Box<dyn FnMut() -> bool + '_>| {
        bench(group, &format!("{name}, {count}"), &mut work)
            .map_or_else(String::new, |ns| format!("{:.0} us", ns / 1_000.0))
    };
    let vote = us("vote", Box::new(|| votes[0].verify(root.chain, &set)));
    let batch = us("certificate", Box::new(|| qc.verify(root.chain, &set).is_ok()));
    let single = us("one by one", Box::new(|| votes.iter().all(|vote| vote.verify(root.chain, &set))));
    let timeout = us("timeout certificate", Box::new(|| tc.verify(root.chain, &set, &root_qc).is_ok()));
    let bytes = 4 + 8 + 4 + 32 + 8 + 64 * usize::from(quorum);
    format!("| {count} | {vote} | {batch} | {single} | {timeout} | {} |", grouped(bytes as f64))
}

fn timeout_cert(qc: &QuorumCert, quorum: u16) -> TimeoutCert {
    let entry = |voter: u16| {
        let (signature, high_qc, tip) = (Signature([0; 64]), qc.clone(), Some(qc.header));
        let (voter, key) = (ValidatorIndex(voter), validator_key(voter));
        let timeout = Timeout { epoch: qc.epoch, view: 3, high_qc, tip, voter, signature, entry: None };
        let signature = key.sign(&timeout.signed_bytes(root().chain));
        TimeoutEntry { voter, high_qc_rank: qc.header.rank, tip, signature }
    };
    TimeoutCert { epoch: qc.epoch, view: 3, entries: (0..quorum).map(entry).collect(), high_qc: qc.clone() }
}
