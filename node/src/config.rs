//! What a validator is told in its file: who it is, where it listens, whom it talks to, how much it may use.
//!
//! The file is TOML, written by `gridbook init` with a comment for every setting. A flag wins over the environment, the
//! environment over the file. Paths in a file are relative to the file.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use gridbook_ledger::crypto::PublicKey;
use gridbook_ledger::replica::JOIN_COMMANDS_MIN;
use gridbook_net::Rate;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A validator's settings.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ValidatorConfig {
    /// Its place in the validator set of the genesis.
    pub index: u16,
    /// Its secret key.
    pub key_file: PathBuf,
    /// Another key of its own: it signs with whichever of the two the present epoch's set names, so that its key can be rotated while it
    /// runs.
    #[serde(default)]
    pub next_key_file: Option<PathBuf>,
    /// The genesis of the ledger it keeps.
    pub genesis_file: PathBuf,
    /// Where it keeps the log, the safety record and the index. Nobody else's.
    pub data_dir: PathBuf,
    /// Where it listens.
    pub listen: Listen,
    /// All validators but itself.
    #[serde(default)]
    pub peers: Vec<Peer>,
    /// What clients may use.
    #[serde(default)]
    pub quotas: Quotas,
    /// How the log is written.
    #[serde(default)]
    pub log: LogOptions,
    /// How the query index is kept.
    #[serde(default)]
    pub index_options: IndexOptions,
}

/// Where a validator listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listen {
    /// QUIC (UDP) from other validators.
    pub validators: SocketAddr,
    /// QUIC (UDP) from meters and gateways.
    pub meters: SocketAddr,
    /// HTTP (TCP) with `/metrics`, `/livez` and `/readyz`. Without authentication: keep it on loopback or a private network.
    pub admin: SocketAddr,
}

/// Another validator, as it is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Peer {
    /// Its place in the validator set.
    pub index: u16,
    /// Its public key, as in the genesis.
    #[serde(serialize_with = "key_to_hex", deserialize_with = "key_from_hex")]
    pub key: PublicKey,
    /// Where it is reached.
    pub address: SocketAddr,
}

/// What clients may use of a validator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Quotas {
    /// Connections at a time.
    pub connections_max: usize,
    /// Connections from one address at a time.
    pub connections_per_address_max: u32,
    /// Frames per second under one key, on average; twice as many at once.
    pub frames_per_second_per_key: u64,
    /// Frames per second from one address, on average; twice as many at once.
    pub frames_per_second_per_address: u64,
    /// Bytes per second under one key, on average; twice as many at once.
    pub bytes_per_second_per_key: u64,
    /// Bytes per second from one address, on average; twice as many at once.
    pub bytes_per_second_per_address: u64,
    /// Bundles admitted and not yet in the log; beyond it senders are told to come back.
    pub bundles_waiting_max: u32,
}

/// How the log is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogOptions {
    /// Whether a vote waits until what it rests on is on the disk. False only for experiments: a power cut then breaks promises.
    pub sync: bool,
    /// Length of a log segment.
    pub segment_bytes: u64,
    /// How much of the log is kept: older segments are removed once two snapshots make them dispensable. None keeps everything.
    pub keep_bytes: Option<u64>,
    /// About how many commands lie between two snapshots of the state: what a start after a crash has to execute again at most.
    pub snapshot_commands: u64,
    /// The fewest commands that another validator's snapshot must save before it is fetched instead of executing them.
    pub join_commands: u64,
}

/// How the query index is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct IndexOptions {
    /// Memory that the index may take; its cache is set to an eighth of it.
    pub memory_mib: u64,
}

impl Default for Quotas {
    fn default() -> Self {
        Self {
            connections_max: 4096,
            connections_per_address_max: 64,
            frames_per_second_per_key: 500,
            frames_per_second_per_address: 2000,
            bytes_per_second_per_key: 4 << 20,
            bytes_per_second_per_address: 16 << 20,
            bundles_waiting_max: 100_000,
        }
    }
}

impl Quotas {
    /// For a network whose clients all come from one host, such as a demo: one address may do what many do elsewhere.
    pub fn one_host() -> Self {
        Self {
            connections_per_address_max: 4096,
            frames_per_second_per_key: 1_000_000,
            frames_per_second_per_address: 1_000_000,
            bytes_per_second_per_key: 1 << 30,
            bytes_per_second_per_address: 1 << 30,
            ..Self::default()
        }
    }
}

impl Quotas {
    /// As the meter endpoint takes them.
    pub fn for_net(&self) -> gridbook_net::Quotas {
        let rate = |frames: u64, bytes: u64| Rate {
            frames_per_s: frames,
            frames_burst: frames.saturating_mul(2),
            bytes_per_s: bytes,
            bytes_burst: bytes.saturating_mul(2),
        };
        gridbook_net::Quotas {
            per_key: rate(self.frames_per_second_per_key, self.bytes_per_second_per_key),
            per_address: rate(self.frames_per_second_per_address, self.bytes_per_second_per_address),
            connections_per_address: self.connections_per_address_max,
            connections_max: self.connections_max,
            ..gridbook_net::Quotas::default()
        }
    }
}

impl Default for LogOptions {
    fn default() -> Self {
        Self {
            sync: true,
            segment_bytes: 64 << 20,
            keep_bytes: None,
            snapshot_commands: 500_000,
            join_commands: JOIN_COMMANDS_MIN,
        }
    }
}

impl Default for IndexOptions {
    fn default() -> Self {
        Self { memory_mib: 64 }
    }
}

/// Settings given by flags or environment, which win over the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overrides {
    /// For [`ValidatorConfig::key_file`].
    pub key_file: Option<PathBuf>,
    /// For [`ValidatorConfig::genesis_file`].
    pub genesis_file: Option<PathBuf>,
    /// For [`ValidatorConfig::data_dir`].
    pub data_dir: Option<PathBuf>,
    /// For [`Listen::validators`].
    pub listen_validators: Option<SocketAddr>,
    /// For [`Listen::meters`].
    pub listen_meters: Option<SocketAddr>,
    /// For [`Listen::admin`].
    pub listen_admin: Option<SocketAddr>,
}

/// Why settings could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file system refused.
    #[error("cannot read {}", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What it said.
        source: std::io::Error,
    },
    /// Not the settings' form.
    #[error("{}: {message}", .path.display())]
    Form {
        /// The file.
        path: PathBuf,
        /// Where and what, from the reader.
        message: String,
    },
    /// Settings that contradict each other.
    #[error("{}: {why}", .path.display())]
    Contradiction {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
}

impl ValidatorConfig {
    /// Reads a file, makes its paths absolute, and lets the overrides win.
    pub fn load(path: &Path, overrides: &Overrides) -> Result<Self, ConfigError> {
        let mut config: Self = read_toml(path)?;
        let base = path.parent().unwrap_or(Path::new("."));
        let next = config.next_key_file.iter_mut();
        for file in [&mut config.key_file, &mut config.genesis_file, &mut config.data_dir].into_iter().chain(next) {
            *file = base.join(&*file);
        }
        overrides.apply(&mut config);
        config.check().map_err(|why| ConfigError::Contradiction { path: path.to_owned(), why })?;
        Ok(config)
    }

    fn check(&self) -> Result<(), String> {
        for (place, peer) in self.peers.iter().enumerate() {
            if peer.index == self.index {
                return Err(format!("peer {} is this validator itself", peer.index));
            }
            if self.peers[..place].iter().any(|other| other.key == peer.key) {
                return Err(format!("peer {} is named twice", peer.index));
            }
        }
        if self.log.snapshot_commands == 0 {
            return Err(
                "log.snapshot_commands is 0: a snapshot after every command would leave time for nothing else".into()
            );
        }
        let least = self.log.segment_bytes.saturating_mul(2);
        if self.log.keep_bytes.is_some_and(|bytes| bytes < least) {
            return Err(format!("log.keep_bytes is less than two segments, {least} bytes: too little to start from"));
        }
        Ok(())
    }

    /// The file that says this, with a comment for every setting. Reading it gives these settings again.
    pub fn to_commented_toml(&self) -> String {
        let Self { index, key_file, next_key_file, genesis_file, data_dir, listen, peers, quotas, log, index_options } =
            self;
        let mut text = format!(
            r#"# Settings of a Gridbook validator. Paths are relative to this file.
# Flags win over GRIDBOOK_* environment variables, those over this file: see `gridbook validator --help`.

# Its place in the validator set of the genesis, its secret key (mode 0600), and the genesis itself.
index = {index}
key_file = {key_file:?}
genesis_file = {genesis_file:?}
{}

# The log, the safety record and the index. Never share or copy it: two validators with one key look like a traitor.
data_dir = {data_dir:?}

[listen]
# QUIC over UDP: other validators, and meters with their gateways.
validators = "{}"
meters = "{}"
# HTTP with /metrics, /livez and /readyz. It asks nobody who he is: keep it on loopback or a private network.
admin = "{}"

[quotas]
# Meter connections at a time, in all and from one address.
connections_max = {}
connections_per_address_max = {}
# What may come in per second, on average, under one key and from one address; twice as much at once.
frames_per_second_per_key = {}
frames_per_second_per_address = {}
bytes_per_second_per_key = {}
bytes_per_second_per_address = {}
# Bundles admitted and not yet in the log; beyond it senders are told to come back.
bundles_waiting_max = {}

[log]
# Wait for the disk before voting. Turn it off only in experiments: a power cut then breaks promises.
sync = {}
# Length of one log segment, in bytes.
segment_bytes = {}
# About how many commands lie between two snapshots of the state: what a start after a crash executes again at most.
snapshot_commands = {}
# A validator that is so many commands behind another's snapshot fetches it instead of executing them.
join_commands = {}
# How many bytes of log are kept. Older segments are removed once two snapshots make them dispensable; others are then told to ask
# elsewhere, and nobody can re-execute this directory from the genesis any more. Without the setting everything is kept.
{}

[index_options]
# Memory for the query index, in MiB. The index can always be rebuilt from the log.
memory_mib = {}
"#,
            next_key_line(next_key_file.as_deref()),
            listen.validators,
            listen.meters,
            listen.admin,
            quotas.connections_max,
            quotas.connections_per_address_max,
            quotas.frames_per_second_per_key,
            quotas.frames_per_second_per_address,
            quotas.bytes_per_second_per_key,
            quotas.bytes_per_second_per_address,
            quotas.bundles_waiting_max,
            log.sync,
            log.segment_bytes,
            log.snapshot_commands,
            log.join_commands,
            log.keep_bytes.map_or("# keep_bytes = 17179869184".to_owned(), |bytes| format!("keep_bytes = {bytes}")),
            index_options.memory_mib,
        );
        for Peer { index, key, address } in peers {
            write!(text, "\n[[peers]]\nindex = {index}\nkey = \"{key}\"\naddress = \"{address}\"\n")
                .expect("writing into a string cannot fail");
        }
        text
    }
}

fn next_key_line(file: Option<&Path>) -> String {
    let line = file.map_or("# next_key_file = \"next.key\"".to_owned(), |file| format!("next_key_file = {file:?}"));
    format!(
        "# A second key of its own. It signs with whichever of the two the present validator set names: that is how a key is rotated while\n\
         # the validator runs (see `gridbook epoch --help`).\n{line}"
    )
}

impl Overrides {
    fn apply(&self, config: &mut ValidatorConfig) {
        fn set<T: Clone>(field: &mut T, value: &Option<T>) {
            if let Some(value) = value {
                field.clone_from(value);
            }
        }
        set(&mut config.key_file, &self.key_file);
        set(&mut config.genesis_file, &self.genesis_file);
        set(&mut config.data_dir, &self.data_dir);
        set(&mut config.listen.validators, &self.listen_validators);
        set(&mut config.listen.meters, &self.listen_meters);
        set(&mut config.listen.admin, &self.listen_admin);
    }
}

/// How clients reach a ledger: its genesis and its validators' meter addresses. `gridbook init` writes it as `network.toml`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetworkConfig {
    /// The genesis, against which receipts are verified.
    pub genesis_file: PathBuf,
    /// The validators, by their meter addresses.
    pub validators: Vec<Peer>,
}

impl NetworkConfig {
    /// Reads a file and makes its path absolute.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let mut config: Self = read_toml(path)?;
        config.genesis_file = path.parent().unwrap_or(Path::new(".")).join(&config.genesis_file);
        if config.validators.is_empty() {
            let why = "it names no validators to connect to".to_owned();
            return Err(ConfigError::Contradiction { path: path.to_owned(), why });
        }
        Ok(config)
    }

    /// The file that says this.
    pub fn to_toml(&self) -> String {
        let body = toml::to_string(self).expect("plain fields have a TOML form");
        format!("# How clients reach this ledger: pass it as --network, or in GRIDBOOK_NETWORK.\n{body}")
    }
}

fn read_toml<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T, ConfigError> {
    let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Io { path: path.to_owned(), source })?;
    toml::from_str(&text).map_err(|error| ConfigError::Form { path: path.to_owned(), message: error.to_string() })
}

fn key_to_hex<S: Serializer>(key: &PublicKey, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&key.to_hex())
}

fn key_from_hex<'de, D: Deserializer<'de>>(deserializer: D) -> Result<PublicKey, D::Error> {
    let text = String::deserialize(deserializer)?;
    PublicKey::from_hex(&text)
        .ok_or_else(|| serde::de::Error::custom("a public key is 64 lowercase hexadecimal digits"))
}

#[cfg(test)]
mod tests {
    use gridbook_ledger::crypto::SecretKey;

    use super::*;

    fn address(port: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    fn config(dir: &Path) -> ValidatorConfig {
        let key = |index: u16| SecretKey::from_seed([u8::try_from(index).expect("few"); 32]).public();
        let peer = |index| Peer { index, key: key(index), address: address(7000 + index) };
        ValidatorConfig {
            index: 1,
            key_file: dir.join("validator-1.key"),
            next_key_file: Some(dir.join("next.key")),
            genesis_file: dir.join("genesis.json"),
            data_dir: dir.join("data"),
            listen: Listen { validators: address(1), meters: address(2), admin: address(3) },
            peers: vec![peer(0), peer(2), peer(3)],
            quotas: Quotas { frames_per_second_per_key: 77, ..Quotas::default() },
            log: LogOptions { sync: false, ..LogOptions::default() },
            index_options: IndexOptions { memory_mib: 12 },
        }
    }

    #[test]
    fn the_commented_file_says_what_was_set() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join("validator.toml");
        let config = config(dir.path());
        std::fs::write(&path, config.to_commented_toml()).expect("ours");
        assert_eq!(ValidatorConfig::load(&path, &Overrides::default()).expect("written by us"), config);
    }

    #[test]
    fn paths_are_relative_to_the_file_and_overrides_win() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join("validator.toml");
        let relative = ValidatorConfig { data_dir: "data-7".into(), ..config(dir.path()) };
        std::fs::write(&path, relative.to_commented_toml()).expect("ours");
        assert_eq!(
            ValidatorConfig::load(&path, &Overrides::default()).expect("written by us").data_dir,
            dir.path().join("data-7")
        );
        let overrides =
            Overrides { data_dir: Some("/elsewhere".into()), listen_admin: Some(address(99)), ..Overrides::default() };
        let loaded = ValidatorConfig::load(&path, &overrides).expect("written by us");
        assert_eq!(loaded.data_dir, Path::new("/elsewhere"));
        assert_eq!(loaded.listen, Listen { admin: address(99), ..relative.listen });
    }

    #[test]
    fn a_misspelt_setting_and_a_peer_named_twice_are_refused() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join("validator.toml");
        let text = config(dir.path()).to_commented_toml();
        std::fs::write(&path, text.replace("frames_per_second_per_key", "frames_per_secund")).expect("ours");
        let sentence = ValidatorConfig::load(&path, &Overrides::default()).expect_err("misspelt").to_string();
        assert!(sentence.contains("frames_per_secund"), "{sentence}");

        let mut twice = config(dir.path());
        twice.peers.push(twice.peers[0]);
        std::fs::write(&path, twice.to_commented_toml()).expect("ours");
        let sentence = ValidatorConfig::load(&path, &Overrides::default()).expect_err("twice").to_string();
        assert!(sentence.contains("named twice"), "{sentence}");
    }
}
