//! Files that people write, and words of a command line.

use std::fs;
use std::num::NonZeroUsize;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use gridbook_engine::Engine;
use gridbook_ledger::genesis::Genesis;
use gridbook_ledger::state::State;
use gridbook_node::amounts::{parse_energy, parse_money, parse_price};
use gridbook_node::auction_file::{Inputs, Week};
use gridbook_node::config::{NetworkConfig, Overrides, ValidatorConfig};
use gridbook_node::keyfile::{read_key, write_key};
use gridbook_node::moment::{parse_moment, parse_period};
use gridbook_node::order_file::{Settings, run};

use super::{Target, glued, parts};
use crate::village::{genesis, key};

pub(super) const TARGETS: &[Target] = &[
    Target { name: "genesis", seeds: geneses, run: genesis_file, held_bytes_max: (16 << 20, 2_048), short_runs: 2_000 },
    Target {
        name: "order_file",
        seeds: order_files,
        run: order_file,
        held_bytes_max: (64 << 20, 4_096),
        short_runs: 200,
    },
    Target {
        name: "auction_files",
        seeds: auctions,
        run: auction_files,
        held_bytes_max: (16 << 20, 1_024),
        short_runs: 1_500,
    },
    Target { name: "config", seeds: configs, run: config, held_bytes_max: (1 << 20, 512), short_runs: 2_000 },
    Target { name: "key_file", seeds: key_files, run: key_file, held_bytes_max: (64 << 10, 512), short_runs: 2_000 },
    Target { name: "words", seeds: words, run: word, held_bytes_max: (16 << 10, 16), short_runs: 20_000 },
];

/// Writes a file that only its owner reads, for as long as `read` takes. In memory where the system has such a place.
fn with_files(contents: &[&[u8]], read: impl FnOnce(&[PathBuf])) {
    thread_local! {
        static DIR: tempfile::TempDir = {
            let memory = Path::new("/dev/shm");
            let made = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
            made.expect("a temporary directory")
        };
    }
    DIR.with(|dir| {
        let paths: Vec<PathBuf> = (0..contents.len()).map(|number| dir.path().join(format!("{number}.txt"))).collect();
        for (path, bytes) in paths.iter().zip(contents) {
            fs::write(path, bytes).expect("there is room for a small file");
            fs::set_permissions(path, fs::Permissions::from_mode(0o600)).expect("it is ours");
        }
        read(&paths);
    });
}

fn geneses() -> Vec<Vec<u8>> {
    let island = Genesis { areas: vec!["a".into(), "b".into()], ..genesis().clone() };
    [genesis(), &island].map(|genesis| genesis.to_json().into_bytes()).to_vec()
}

/// A genesis that is taken can be written, read again under the same name, and begun with.
fn genesis_file(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(genesis) = Genesis::from_json(text) {
        let again = Genesis::from_json(&genesis.to_json()).expect("what was written can be read");
        assert_eq!((&again, again.chain_id()), (&genesis, genesis.chain_id()));
        assert_eq!(genesis.validate().map_err(|error| error.to_string()), Ok(()));
        let state = State::genesis(&genesis);
        assert_eq!(state.audit(), Ok(()));
        let _ = (genesis.ledger_now(u64::MAX), genesis.wall_at(genesis.ledger_start));
    }
}

fn order_files() -> Vec<Vec<u8>> {
    let dir = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../node/tests/data/order_files"));
    let names = fs::read_dir(dir).expect("the sample files are part of the source");
    let mut paths: Vec<PathBuf> = names.map(|entry| entry.expect("it was listed").path()).collect();
    paths.sort();
    let is_question = |path: &&PathBuf| path.extension().is_some_and(|end| end == "jsonl") && !is_answer(path);
    paths.iter().filter(is_question).map(|path| fs::read(path).expect("it was listed")).collect()
}

fn is_answer(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().ends_with(".answers.jsonl"))
}

/// The run comes to its end, and neither batches nor shards change what it answers.
fn order_file(bytes: &[u8]) {
    let answers = |shards: usize, batch: usize| {
        let count = |count| NonZeroUsize::new(count).expect("not zero");
        let settings = Settings { shards: count(shards), batch: count(batch), ..Settings::default() };
        let mut output = Vec::new();
        // Only torn gzip cannot be read on.
        run::<Engine>(bytes, &mut output, &settings, &mut |_| {}).ok().map(|_| output)
    };
    assert_eq!(answers(1, 4_096), answers(3, 5));
}

fn auctions() -> Vec<Vec<u8>> {
    let orders = "timestamp,zone,side,price_eur_per_mwh,quantity_mwh\n2024-01-01T00,NORD,supply,10.5,100\n\
                  2024-01-01T00,NORD,demand,90,60.25\n2024-01-01T00,SUD,demand,55,30\n2024-01-01T01,SUD,supply,-5,1\n";
    let network = "timestamp,from_zone,to_zone,min_flow_mwh,max_flow_mwh,fee_from_to,fee_to_from\n\
                   2024-01-01T00,NORD,SUD,-20,25,0.1,0\n2024-01-01T00,SUD,FRAN,-5,5,0,0\n2024-01-01T01,NORD,SUD,0,0,0,0\n";
    let prices = "timestamp,zone,price_eur_per_mwh\n2024-01-01T00,FRAN,44.44\n";
    let flows = "timestamp,zone,border_zone,energy_mwh\n2024-01-01T00,SUD,FRAN,2.5\n";
    let files = [orders, network, prices, flows].map(|text| text.as_bytes().to_vec());
    vec![glued(&files), glued(&files[..3]), glued(&files[..2])]
}

/// Orders, a network, and perhaps prices and flows at the border: a week is cleared, or a line is blamed.
fn auction_files(bytes: &[u8]) {
    let files: Vec<&[u8]> = parts(bytes).take(4).collect();
    if files.len() < 2 {
        return;
    }
    with_files(&files, |paths| {
        let inputs = Inputs {
            orders: paths[0].clone(),
            network: paths[1].clone(),
            border_prices: paths.get(2).cloned(),
            border_flows: paths.get(3).cloned(),
            ..Inputs::default()
        };
        if let Ok(week) = Week::read(&inputs) {
            let auctions = week.auctions.len();
            assert_eq!(week.clear().auctions.len(), auctions);
        }
    });
}

fn configs() -> Vec<Vec<u8>> {
    let peer = |index: u16| {
        let key = crate::village::validator(index).public();
        format!("\n[[peers]]\nindex = {index}\nkey = \"{key}\"\naddress = \"10.0.0.{index}:7100\"\n")
    };
    let validator = format!(
        "index = 0\nkey_file = \"validator.key\"\ngenesis_file = \"genesis.json\"\ndata_dir = \"data\"\n\
         [listen]\nvalidators = \"127.0.0.1:7100\"\nmeters = \"[::1]:7200\"\nadmin = \"127.0.0.1:7300\"\n\
         [quotas]\nconnections_max = 10\nframes_per_second_per_key = 5\n[log]\nsync = true\nsegment_bytes = 1048576\n\
         [index_options]\nmemory_mib = 64\n{}{}",
        peer(1),
        peer(2)
    );
    let network = format!("genesis_file = \"genesis.json\"\n{}", peer(1).replace("peers", "validators"));
    vec![validator.into_bytes(), network.into_bytes()]
}

/// Settings that are taken say the same when they are written and read again.
fn config(bytes: &[u8]) {
    with_files(&[bytes], |paths| {
        if let Ok(config) = ValidatorConfig::load(&paths[0], &Overrides::default()) {
            let _ = config.quotas.for_net();
            fs::write(&paths[0], config.to_commented_toml()).expect("there is room for a small file");
            let again = ValidatorConfig::load(&paths[0], &Overrides::default()).map_err(|error| error.to_string());
            assert_eq!(again, Ok(config));
        }
        fs::write(&paths[0], bytes).expect("there is room for a small file");
        let _ = NetworkConfig::load(&paths[0]).map(|network| network.to_toml());
    });
}

fn key_files() -> Vec<Vec<u8>> {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = dir.path().join("a.key");
    write_key(&path, &key(1)).expect("a new file");
    vec![fs::read(&path).expect("it was written")]
}

/// A key that is taken is one whose both halves were written.
fn key_file(bytes: &[u8]) {
    with_files(&[bytes], |paths| {
        if let Ok(key) = read_key(&paths[0]) {
            let public = key.public().to_hex();
            assert!(String::from_utf8_lossy(bytes).contains(&public));
        }
    });
}

fn words() -> Vec<Vec<u8>> {
    let words =
        ["12.34", "-0.00001", "99999999999999999999", "2025-03-31T23:45", "2025-02-29T00:00Z", "1937176", "1e9", "+1"];
    words.map(|word| word.as_bytes().to_vec()).to_vec()
}

fn word(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let _ = (parse_price(text), parse_energy(text), parse_money(text), parse_moment(text), parse_period(text, 15));
}
