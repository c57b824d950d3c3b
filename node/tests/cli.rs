//! The command line without a network: exit codes, files, and who wins over whom.

#![allow(clippy::unwrap_used)]

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output};

use gridbook_engine::Price;
use gridbook_ledger::genesis::{Genesis, SettlementRules};
use gridbook_node::config::{NetworkConfig, Overrides, ValidatorConfig};
use gridbook_node::keyfile::read_key;
use serde_json::Value;

fn gridbook(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gridbook"));
    command.args(arguments);
    command
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

fn init(dir: &Path) -> Output {
    init_of(4, dir)
}

fn init_of(validators: usize, dir: &Path) -> Output {
    gridbook(&["init", "--json", "--areas", "north,south", "--base-port", "7300", "--out", dir.to_str().unwrap()])
        .args(["--validators", &validators.to_string()])
        .output()
        .unwrap()
}

#[test]
fn wrong_usage_ends_with_two_and_says_how_it_is_meant() {
    for arguments in [
        &[][..],
        &["ordr"],
        &["meter", "order", "--side", "hold"],
        &["meter", "order", "--price", "28,5"],
        &["meter", "book", "--network", "n.toml", "--period", "5"],
        &["meter", "order", "--sources", "solar+coal"],
        &["meter", "order", "--max-edges", "129"],
        &["meter", "offer", "--partner", "1"],
        &["meter", "accept", "--offer", "first"],
        &["meter", "capacity", "--up", "much"],
        &["init", "--out", "/tmp/never", "--area", "north:substation"],
        &["init", "--out", "/tmp/never", "--area", "north", "--area", "south", "--area", "west:south:1:1"],
        &["init", "--out", "/tmp/never", "--area", "north", "--areas", "south"],
        &["init", "--out", "/tmp/never", "--call-minutes", "3000"],
        &["init", "--out", "/tmp/never", "--validators", "5"],
        &["init", "--out", "/tmp/never", "--base-port", "65530"],
        &["init", "--out", "/tmp/never", "--unmetered", "--dispute-minutes", "60"],
        &["init", "--out", "/tmp/never", "--short-price", "1", "--long-price", "2"],
        &["init", "--out", "/tmp/never", "--loss-bound-ppm", "1000001"],
        &["meter", "read", "--import", "-5"],
        &["settlement", "read-area", "--sent-up", "much"],
        &["settlement", "correct", "--meter", "first"],
        &["settlement", "prices", "--short-price", "0,6"],
        &["demo", "--meters", "0"],
        &["demo", "--validators", "5"],
        &["demo", "--loads", "somewhere"],
        &["genesis", "--operator-key", "abc", "--out", "x"],
    ] {
        let output = gridbook(arguments).output().unwrap();
        assert_eq!(code(&output), 2, "{arguments:?}: {}", text(&output.stderr));
        assert!(!output.stderr.is_empty() && output.stdout.is_empty(), "{arguments:?}");
    }
    assert!(!Path::new("/tmp/never").exists());
}

#[test]
fn help_is_good_everywhere_and_teaches_by_example() {
    for arguments in [
        &["--help"][..],
        &["meter", "--help"],
        &["meter", "book", "--help"],
        &["meter", "read", "--help"],
        &["settlement", "--help"],
        &["settlement", "read-area", "--help"],
        &["settlement", "correct", "--help"],
        &["settlement", "prices", "--help"],
        &["init", "--help"],
        &["demo", "--help"],
        &["genesis", "--help"],
    ] {
        let output = gridbook(arguments).output().unwrap();
        assert_eq!(code(&output), 0);
        assert!(text(&output.stdout).contains("gridbook "), "{arguments:?} shows no example");
    }
}

#[test]
fn what_fails_ends_with_one_and_says_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let missing = dir.path().join("missing.toml");
    for arguments in [
        &["keys", "show", missing.to_str().unwrap()][..],
        &["validator", "--config", missing.to_str().unwrap()],
        &["meter", "status", "--network", missing.to_str().unwrap()],
        &["verify", "receipt", missing.to_str().unwrap(), "--genesis", missing.to_str().unwrap()],
    ] {
        let output = gridbook(arguments).output().unwrap();
        assert_eq!(code(&output), 1, "{arguments:?}");
        assert!(text(&output.stderr).contains("missing.toml"), "{}", text(&output.stderr));
    }
}

#[test]
fn a_generated_key_is_its_owners_alone_and_is_shown_by_its_public_half() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("alice.key");
    let made = gridbook(&["keys", "generate", "--json", "--out", file.to_str().unwrap()]).output().unwrap();
    assert_eq!(code(&made), 0);
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let made: Value = serde_json::from_slice(&made.stdout).unwrap();
    let shown = gridbook(&["keys", "show", file.to_str().unwrap()]).output().unwrap();
    assert_eq!(text(&shown.stdout).trim(), made["public"]);
    let secret = gridbook_ledger::crypto::Hash(*read_key(&file).unwrap().seed()).to_hex();
    assert!(!text(&shown.stdout).contains(&secret), "the secret half is never shown");

    let again = gridbook(&["keys", "generate", "--out", file.to_str().unwrap()]).output().unwrap();
    assert_eq!(code(&again), 1, "a key is never overwritten");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    let open = gridbook(&["keys", "show", file.to_str().unwrap()]).output().unwrap();
    assert_eq!(code(&open), 1);
    assert!(text(&open.stderr).contains("chmod 600"), "{}", text(&open.stderr));
}

#[test]
fn what_init_makes_can_be_read_back_and_fits_together() {
    let dir = tempfile::tempdir().unwrap();
    let net = dir.path().join("net");
    let made = init(&net);
    assert_eq!(code(&made), 0, "{}", text(&made.stderr));
    let made: Value = serde_json::from_slice(&made.stdout).unwrap();
    let genesis = Genesis::from_json(&std::fs::read_to_string(net.join("genesis.json")).unwrap()).unwrap();
    assert_eq!(made["chain"], genesis.chain_id().to_hex());
    assert_eq!(genesis.areas, ["north".into(), "south".into()]);
    assert_eq!(genesis.settlement, SettlementRules::metered(), "what is paid for is what meters delivered");
    assert_eq!(read_key(&net.join("operator.key")).unwrap().public(), genesis.operator);
    let clients = NetworkConfig::load(&net.join("network.toml")).unwrap();
    for index in 0..4_u16 {
        let file = net.join(format!("validator-{index}/validator.toml"));
        let config = ValidatorConfig::load(&file, &Overrides::default()).unwrap();
        let key = read_key(&config.key_file).unwrap().public();
        let place = gridbook_ledger::validators::ValidatorIndex(index);
        assert_eq!(genesis.validators.key(place), Some(&key));
        assert_eq!(clients.validators[usize::from(index)].key, key);
        assert_eq!(clients.validators[usize::from(index)].address, config.listen.meters);
        assert_eq!(config.peers.len(), 3);
        assert!(config.genesis_file.exists());
        let unit = std::fs::read_to_string(net.join(format!("gridbook-validator-{index}.service"))).unwrap();
        assert!(unit.contains(file.to_str().unwrap()), "{unit}");
    }
    assert_eq!(code(&init(&net)), 1, "a directory that is not empty is refused");
}

#[test]
fn init_takes_its_own_terms_of_settlement_or_none() {
    let dir = tempfile::tempdir().unwrap();
    let made_with = |name: &str, terms: &[&str]| {
        let net = dir.path().join(name);
        let made = gridbook(&["init", "--out", net.to_str().unwrap()]).args(terms).output().unwrap();
        assert_eq!(code(&made), 0, "{}", text(&made.stderr));
        Genesis::from_json(&std::fs::read_to_string(net.join("genesis.json")).unwrap()).unwrap().settlement
    };
    assert_eq!(made_with("unmetered", &["--unmetered"]), SettlementRules::default());
    let terms = [
        "--reading-deadline-minutes",
        "30",
        "--short-price",
        "45.5",
        "--long-price-floor",
        "-1",
        "--share-ppm",
        "500000",
    ];
    let own = SettlementRules {
        reading_deadline_ms: 1_800_000,
        short_price: Price(455_000),
        long_price_floor: Price(-10_000),
        share_ppm: 500_000,
        ..SettlementRules::metered()
    };
    assert_eq!(made_with("own", &terms), own);
}

#[test]
fn a_flag_wins_over_the_environment_and_that_over_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let net = dir.path().join("net");
    assert_eq!(code(&init(&net)), 0);
    let file = net.join("validator-0/validator.toml");
    let shown = |flags: &[&str], environment: &[(&str, &str)]| {
        let output =
            gridbook(&["validator", "--print-config"]).args(flags).envs(environment.iter().copied()).output().unwrap();
        assert_eq!(code(&output), 0, "{}", text(&output.stderr));
        let shown = dir.path().join("shown.toml");
        std::fs::write(&shown, output.stdout).unwrap();
        ValidatorConfig::load(&shown, &Overrides::default()).unwrap()
    };
    let config = ["--config", file.to_str().unwrap()];
    let environment = [("GRIDBOOK_DATA_DIR", "/from/environment"), ("GRIDBOOK_LISTEN_ADMIN", "127.0.0.1:1")];
    assert_eq!(shown(&config, &[]).data_dir, net.join("validator-0/data"));
    assert_eq!(shown(&config, &environment).data_dir, Path::new("/from/environment"));
    let flags = [&config[..], &["--data-dir", "/from/flag"]].concat();
    assert_eq!(shown(&flags, &environment).data_dir, Path::new("/from/flag"));
    assert_eq!(shown(&flags, &environment).listen.admin.port(), 1);
    let from_environment = [("GRIDBOOK_CONFIG", file.to_str().unwrap())];
    assert_eq!(shown(&[], &from_environment).listen.admin.port(), 7302);
}

#[test]
fn a_genesis_is_made_from_public_keys() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("genesis.json");
    let keys: Vec<String> =
        (1..=5).map(|seed| gridbook_ledger::crypto::SecretKey::from_seed([seed; 32]).public().to_hex()).collect();
    let mut arguments = vec!["genesis", "--operator-key", &keys[4], "--ledger-start", "2026-06-17", "--out"];
    arguments.push(file.to_str().unwrap());
    keys[..4].iter().for_each(|key| arguments.extend(["--validator-key", key]));
    let made = gridbook(&arguments).output().unwrap();
    assert_eq!(code(&made), 0, "{}", text(&made.stderr));
    let genesis = Genesis::from_json(&std::fs::read_to_string(&file).unwrap()).unwrap();
    assert!(text(&made.stdout).contains(&genesis.chain_id().to_hex()));
    assert_eq!(genesis.ledger_start.0, 1_781_654_400_000);
    assert_eq!(code(&gridbook(&arguments).output().unwrap()), 1, "a genesis is never overwritten");
}

/// A network of `init` of which no validator runs: each port takes what is sent to it and never answers.
fn silent_network(dir: &Path) -> (std::path::PathBuf, Vec<std::net::UdpSocket>) {
    silent_network_of(4, dir)
}

fn silent_network_of(validators: usize, dir: &Path) -> (std::path::PathBuf, Vec<std::net::UdpSocket>) {
    let sockets: Vec<_> = (0..validators).map(|_| std::net::UdpSocket::bind("127.0.0.1:0").unwrap()).collect();
    let out = dir.join("net");
    assert_eq!(code(&init_of(validators, &out)), 0);
    let file = out.join("network.toml");
    let mut text = std::fs::read_to_string(&file).unwrap();
    for (number, socket) in sockets.iter().enumerate() {
        text = text.replace(&format!("127.0.0.1:{}", 7301 + 3 * number), &socket.local_addr().unwrap().to_string());
    }
    assert!(!text.contains("127.0.0.1:73"), "{text}");
    std::fs::write(&file, text).unwrap();
    (out, sockets)
}

/// What is wrong with a question is said before anybody is asked it, and as wrong usage: no validator is there to say anything else.
#[test]
fn wrong_days_periods_and_areas_are_wrong_usage_also_where_nobody_answers() {
    let dir = tempfile::tempdir().unwrap();
    let (out, _sockets) = silent_network(dir.path());
    let operator = out.join("operator.key");
    for arguments in [
        &["meter", "statement", "--day", "2026-13-01"][..],
        &["meter", "statement", "--month", "18446744073709551615-12"],
        &["meter", "statement", "--month", "2026-18446744073709551615"],
        &["report", "area", "--year", "18446744073709551615"],
        &["report", "area", "--month", "2026-06", "--area", "west"],
        &["meter", "order", "--side", "buy", "--price", "1", "--energy", "400", "--period", "noon"],
        &["meter", "book", "--area", "north", "--period", "2026-06-17T12:05"],
        &["meter", "book", "--area", "west", "--period", "2026-06-17T12:00"],
        &["meter", "read", "--import", "1", "--export", "1", "--period", "noon"],
        &["meter", "capacity", "--area", "west", "--period", "5", "--up", "1", "--down", "1"],
        &["meter", "offer", "--partner", "1", "--side", "buy", "--period", "noon", "--price", "1", "--energy", "4"],
        &["meter", "register", "--area", "west"],
        &["meter", "status", "--wait", "18446744073709551615"],
        &["meter", "register", "--supplier", "4096"],
        &["settlement", "prices", "--area", "west", "--period", "5", "--short-price", "2", "--long-price", "1"],
    ] {
        let mut command = gridbook(arguments);
        command.env("GRIDBOOK_NETWORK", out.join("network.toml"));
        let output = command.env("GRIDBOOK_KEY", &operator).env("GRIDBOOK_OPERATOR_KEY", &operator).output().unwrap();
        assert_eq!(code(&output), 2, "{arguments:?}: {}", text(&output.stderr));
    }
}

/// A receipt is told to whom the record names: without a key there is nobody to tell it to, and nobody is asked.
#[test]
fn a_receipt_without_a_key_or_with_two_rights_to_it_is_wrong_usage() {
    let dir = tempfile::tempdir().unwrap();
    let (out, _sockets) = silent_network(dir.path());
    let bundle = "5e".repeat(32);
    for (arguments, says) in [
        (&["--bundle", &bundle][..], "give the --key"),
        (&["--seq", "7", "--meter", "3"], "give the --key"),
        (&["--bundle", &bundle, "--seq", "7"], "cannot be used with"),
        (&["--bundle", &bundle, "--word", "x.s0"], "cannot be used with"),
        (&["--word", "x.s0", "--meter", "3"], "cannot be used with"),
        (&["--index", "1"], "--bundle"),
    ] {
        let receipt = ["meter", "receipt", "--out", "none.receipt"];
        let mut command = gridbook(&[&receipt[..], arguments].concat());
        let output =
            command.env("GRIDBOOK_NETWORK", out.join("network.toml")).env_remove("GRIDBOOK_KEY").output().unwrap();
        let said = text(&output.stderr);
        assert!(code(&output) == 2 && said.contains(says), "{arguments:?}: {said}");
    }
}

/// Silent validators were tried for two seconds each, whatever `--wait` said: forty of them for eighty.
#[test]
fn a_connection_is_waited_for_no_longer_than_an_answer() {
    let dir = tempfile::tempdir().unwrap();
    let (out, _sockets) = silent_network_of(40, dir.path());
    let network = out.join("network.toml");
    let began = std::time::Instant::now();
    let output =
        gridbook(&["meter", "status", "--network", network.to_str().unwrap(), "--wait", "1"]).output().unwrap();
    let took = began.elapsed();
    assert_eq!(code(&output), 1);
    assert!(text(&output.stderr).contains("no validator could be reached"), "{}", text(&output.stderr));
    // A busy machine may take long for little.
    assert!(took < std::time::Duration::from_secs(40), "{took:?}");
}

/// A disk that is full where standard error goes costs the remarks, not the work and not the exit code.
#[test]
fn what_cannot_be_said_on_standard_error_ends_no_command() {
    let dir = tempfile::tempdir().unwrap();
    let missing = dir.path().join("missing");
    let full = || std::fs::File::create("/dev/full").unwrap();
    let genesis = ["--genesis", missing.to_str().unwrap()];
    let mut failing = gridbook(&["verify", "chain", missing.to_str().unwrap()]);
    assert_eq!(failing.args(genesis).stderr(full()).status().unwrap().code(), Some(1));
    let orders = dir.path().join("orders.csv");
    std::fs::write(&orders, "").unwrap();
    let mut matched = gridbook(&["match", "--input", orders.to_str().unwrap(), "--log", "trace"]);
    let heard = matched.output().unwrap();
    assert!(text(&heard.stderr).contains("commands/s"), "{}", text(&heard.stderr));
    assert_eq!(matched.stderr(full()).status().unwrap().code(), heard.status.code());
    // What was asked for and cannot be written is another matter.
    let file = dir.path().join("a.key");
    let made = gridbook(&["keys", "generate", "--out", file.to_str().unwrap()]).stdout(full()).status().unwrap();
    assert_eq!(made.code(), Some(1));
}

/// A table that was asked for is not JSON because the environment is for programs; and of two forms asked for at once neither is guessed.
#[test]
fn a_table_wins_over_the_environment_and_not_over_the_flag() {
    let dir = tempfile::tempdir().unwrap();
    let (out, _sockets) = silent_network(dir.path());
    let (network, key) = (out.join("network.toml"), out.join("operator.key"));
    for command in [&["report", "area", "--day", "2026-06-17"][..], &["meter", "statement", "--day", "2026-06-17"]] {
        let ask = |more: &[&str], env: &str| {
            let mut asked = gridbook(&[command, more, &["--csv", "--wait", "1"]].concat());
            asked.env("GRIDBOOK_NETWORK", &network).env("GRIDBOOK_KEY", &key).env("GRIDBOOK_JSON", env);
            asked.output().unwrap()
        };
        let both = ask(&["--json"], "0");
        assert!(code(&both) == 2 && text(&both.stderr).contains("--csv and --json"), "{}", text(&both.stderr));
        // It is asked, and nobody is there to answer.
        assert_eq!(code(&ask(&[], "1")), 1);
    }
    let first = gridbook(&["--json", "report", "area", "--csv", "--day", "2026-06-17"])
        .env("GRIDBOOK_NETWORK", &network)
        .env("GRIDBOOK_KEY", &key)
        .output()
        .unwrap();
    assert_eq!(code(&first), 2, "wherever the flag stands: {}", text(&first.stderr));
}

/// Numbers that no organisation has, and a fingerprint that is none: each is told by its own rule.
#[test]
fn what_cannot_be_in_the_registry_is_not_asked_for() {
    for (arguments, why) in [
        (&["organisation", "show", "4096", "--by", "x", "--network", "n"][..], "below 4,096"),
        (&["organisation", "show", "70000", "--by", "x", "--network", "n"], "below 4,096"),
        (&["account", "open", "--supplier", "65535", "--by", "x", "--network", "n"], "below 4,096"),
        (&["account", "deposit", "4", "--amount", "0", "--by", "x", "--network", "n"], "nothing to pay"),
        (
            &["account", "withdraw", "4", "--amount", "2000000000000000000", "--by", "x", "--network", "n"],
            "is paid at once",
        ),
        (&["meter", "install", "0", "--certificate", "5e", "--by", "x", "--network", "n"], "b3sum"),
    ] {
        let output = gridbook(&[&["registry"], arguments].concat()).output().unwrap();
        assert_eq!(code(&output), 2, "{arguments:?}: {}", text(&output.stderr));
        assert!(text(&output.stderr).contains(why), "{arguments:?}: {}", text(&output.stderr));
    }
}

#[test]
fn a_file_of_another_kind_is_told_by_what_writes_the_right_one() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("net");
    assert_eq!(code(&init(&out)), 0);
    let (genesis, wrong) = (out.join("genesis.json"), out.join("network.toml"));
    for (kind, writer) in [
        ("receipt", "meter receipt --out"),
        ("account", "report account --out"),
        ("evidence", "evidence --out"),
        ("certificate", "meter certificate --out"),
    ] {
        let wrong = wrong.to_str().unwrap();
        let output = gridbook(&["verify", kind, wrong, "--genesis", genesis.to_str().unwrap()]).output().unwrap();
        assert!(code(&output) == 1 && text(&output.stderr).contains(writer), "{kind}: {}", text(&output.stderr));
    }
    // A validator that never ran, and a genesis that is none: each is said once.
    let never_ran = out.join("validator-0/data");
    let chain = |genesis: &Path| {
        let arguments = ["verify", "chain", never_ran.to_str().unwrap(), "--genesis", genesis.to_str().unwrap()];
        let output = gridbook(&arguments).output().unwrap();
        assert_eq!(code(&output), 1);
        text(&output.stderr).to_owned()
    };
    assert!(chain(&genesis).contains("has no log yet"), "{}", chain(&genesis));
    let bad = out.join("bad.json");
    std::fs::write(&bad, r#"{"a": 1}"#).unwrap();
    assert_eq!(chain(&bad).matches("unknown field `a`").count(), 1, "{}", chain(&bad));
}
