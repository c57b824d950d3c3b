//! Makes a whole network: keys, genesis, settings of every validator, unit files.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail, ensure};
use gridbook_engine::{LedgerTime, MarketRules};
use gridbook_ledger::crypto::{PublicKey, SecretKey};
use gridbook_ledger::genesis::{Area, Genesis, SettlementRules};
use gridbook_ledger::store::{DataDir, LogIdentity};
use gridbook_ledger::validators::ValidatorSet;

use crate::config::{IndexOptions, Listen, LogOptions, NetworkConfig, Peer, Quotas, ValidatorConfig};
use crate::free_ports;
use crate::keyfile::{make_private_dir, write_key};

/// What a network is to be like.
#[derive(Clone, Debug)]
pub struct NetworkPlan {
    /// What people call the ledger.
    pub name: String,
    /// Where each validator listens; so many validators there are.
    pub listen: Vec<Listen>,
    /// The delivery areas, named.
    pub areas: Vec<Area>,
    /// The market's constants.
    pub rules: MarketRules,
    /// How delivery is measured and paid for.
    pub settlement: SettlementRules,
    /// Ledger time at the start.
    pub ledger_start: LedgerTime,
    /// Wall time at the start, in milliseconds since the Unix epoch.
    pub wall_start_ms: u64,
    /// How many ledger milliseconds pass in one of the wall's.
    pub time_scale: u32,
    /// What clients may use.
    pub quotas: Quotas,
    /// How logs are written.
    pub log: LogOptions,
    /// How the query indexes are kept.
    pub index_options: IndexOptions,
}

/// A network that was made.
#[derive(Clone, Debug)]
pub struct Network {
    /// Where it lies.
    pub dir: PathBuf,
    /// Its genesis.
    pub genesis: Genesis,
    /// The settings file of each validator.
    pub config_files: Vec<PathBuf>,
    /// The settings of each validator, with absolute paths.
    pub configs: Vec<ValidatorConfig>,
    /// How clients reach it.
    pub clients: NetworkConfig,
}

impl Network {
    /// The file for clients, [`NetworkConfig`].
    pub fn network_file(&self) -> PathBuf {
        self.dir.join("network.toml")
    }

    /// The key that runs registry and cash.
    pub fn operator_key_file(&self) -> PathBuf {
        self.dir.join("operator.key")
    }
}

impl NetworkPlan {
    /// Makes everything in `dir`, which must be empty or not exist yet.
    pub fn make(&self, dir: &Path) -> anyhow::Result<Network> {
        self.check()?;
        claim_empty(dir)?;
        let dir = fs::canonicalize(dir).with_context(|| format!("cannot enter {}", dir.display()))?;
        let operator = new_key(&dir.join("operator.key"))?;
        let keys = self.make_validator_keys(&dir)?;
        let genesis = self.genesis(operator, keys.clone())?;
        write_new(&dir.join("genesis.json"), genesis.to_json().as_bytes())?;

        let addressed = |address: fn(&Listen) -> SocketAddr| -> Vec<Peer> {
            let peers = self.listen.iter().zip(&keys).zip(0..);
            peers.map(|((listen, key), index)| Peer { index, key: *key, address: address(listen) }).collect()
        };
        let clients =
            NetworkConfig { genesis_file: "genesis.json".into(), validators: addressed(|listen| listen.meters) };
        write_new(&dir.join("network.toml"), clients.to_toml().as_bytes())?;

        let mut network = Network {
            clients: NetworkConfig { genesis_file: dir.join("genesis.json"), ..clients },
            genesis,
            config_files: Vec::new(),
            configs: Vec::new(),
            dir,
        };
        for (listen, index) in self.listen.iter().zip(0..) {
            let peers = addressed(|listen| listen.validators);
            self.make_validator(&mut network, index, *listen, peers)?;
        }
        Ok(network)
    }

    /// Everything that can be known to be wrong before a file is written.
    pub fn check(&self) -> anyhow::Result<()> {
        let count = self.listen.len();
        let stand_in = || SecretKey::generate().map(|key| key.public()).context("the system gives no randomness");
        let keys = (0..count.min(*ValidatorSet::SIZES.end() + 1)).map(|_| stand_in());
        self.genesis(stand_in()?, keys.collect::<anyhow::Result<_>>()?).map(|_| ())
    }

    fn make_validator_keys(&self, dir: &Path) -> anyhow::Result<Vec<PublicKey>> {
        let homes = (0..self.listen.len()).map(|index| home(dir, index));
        homes
            .map(|home| {
                make_private_dir(&home).with_context(|| format!("cannot make {}", home.display()))?;
                new_key(&home.join("validator.key"))
            })
            .collect()
    }

    fn genesis(&self, operator: PublicKey, keys: Vec<PublicKey>) -> anyhow::Result<Genesis> {
        let genesis = Genesis {
            name: self.name.clone(),
            ledger_start: self.ledger_start,
            wall_start_ms: self.wall_start_ms,
            time_scale: self.time_scale,
            rules: self.rules,
            settlement: self.settlement,
            areas: self.areas.clone(),
            operator,
            validators: ValidatorSet::new(keys)?,
        };
        genesis.validate()?;
        Ok(genesis)
    }

    fn make_validator(
        &self,
        network: &mut Network,
        index: u16,
        listen: Listen,
        peers: Vec<Peer>,
    ) -> anyhow::Result<()> {
        let home = home(&network.dir, usize::from(index));
        let config = ValidatorConfig {
            index,
            key_file: "validator.key".into(),
            next_key_file: None,
            genesis_file: "../genesis.json".into(),
            data_dir: "data".into(),
            listen,
            peers: peers.into_iter().filter(|peer| peer.index != index).collect(),
            quotas: self.quotas,
            log: self.log,
            index_options: self.index_options,
        };
        let file = home.join("validator.toml");
        write_new(&file, config.to_commented_toml().as_bytes())?;
        write_new(
            &network.dir.join(format!("gridbook-validator-{index}.service")),
            unit_file(index, &file, &home).as_bytes(),
        )?;
        // Its key is new: this is the one moment when it is certain that it never signed.
        let identity = LogIdentity { chain: network.genesis.chain_id(), validator: index };
        DataDir::open(&home.join("data"))?.give_birth(identity)?;
        network.configs.push(ValidatorConfig {
            key_file: home.join("validator.key"),
            genesis_file: network.dir.join("genesis.json"),
            data_dir: home.join("data"),
            ..config
        });
        network.config_files.push(file);
        Ok(())
    }
}

/// Three ports in a row per validator on loopback, from `base_port` upward.
pub fn loopback_from(validators: u16, base_port: u16) -> anyhow::Result<Vec<Listen>> {
    let listen = (0..validators).map(|index| {
        let port = |offset| base_port.checked_add(index.checked_mul(3)?.checked_add(offset)?);
        Some(Listen { validators: loopback(port(0)?), meters: loopback(port(1)?), admin: loopback(port(2)?) })
    });
    listen.collect::<Option<_>>().context("the ports would go beyond 65535: choose a lower --base-port")
}

/// Ports on loopback that are free at this moment, and given to nobody else by this process; nor by the system, where its range leaves room.
pub fn loopback_free(validators: u16) -> anyhow::Result<Vec<Listen>> {
    let port = || free_ports::take().map(loopback);
    (0..validators).map(|_| Ok(Listen { validators: port()?, meters: port()?, admin: port()? })).collect()
}

fn loopback(port: u16) -> SocketAddr {
    ([127, 0, 0, 1], port).into()
}

fn home(dir: &Path, index: usize) -> PathBuf {
    dir.join(format!("validator-{index}"))
}

fn claim_empty(dir: &Path) -> anyhow::Result<()> {
    if let Ok(mut entries) = fs::read_dir(dir) {
        ensure!(
            entries.next().is_none(),
            "{} is not empty: a network is made only in an empty directory, so that no key is ever overwritten",
            dir.display()
        );
    } else if dir.exists() {
        bail!("{} is not a directory", dir.display());
    }
    make_private_dir(dir).with_context(|| format!("cannot make {}", dir.display()))
}

fn new_key(path: &Path) -> anyhow::Result<PublicKey> {
    let key = SecretKey::generate().context("the system gives no randomness")?;
    write_key(path, &key)?;
    Ok(key.public())
}

/// Writes a file that must not exist yet.
pub(crate) fn write_new(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let file = OpenOptions::new().write(true).create_new(true).mode(0o644).open(path);
    file.and_then(|mut file| file.write_all(bytes)).with_context(|| format!("cannot write {}", path.display()))
}

fn unit_file(index: u16, config: &Path, home: &Path) -> String {
    let (config, home) = (config.display(), home.display());
    format!(
        r#"# For systemd: adjust User= and the path of the binary, copy to /etc/systemd/system, then
# systemctl enable --now gridbook-validator-{index}
[Unit]
Description=Gridbook validator {index}
Wants=network-online.target
After=network-online.target

[Service]
ExecStart=/usr/local/bin/gridbook validator --config {config}
Environment=GRIDBOOK_LOG=info GRIDBOOK_LOG_FORMAT=json
User=gridbook
Restart=on-failure
RestartSec=2
TimeoutStopSec=30
LimitNOFILE=65536
NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=read-only
PrivateTmp=yes
ReadWritePaths={home}

[Install]
WantedBy=multi-user.target
"#
    )
}
