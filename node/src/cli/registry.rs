//! `gridbook registry`: who is who on a live ledger, and who may do what.

mod show;

use std::path::PathBuf;

use anyhow::bail;
use clap::{Args, Subcommand};
use gridbook_engine::{AccountId, AreaId, Energy, EnergySources, MeterId, Money};
use gridbook_ledger::command::{AMOUNT_MAX, Command, NewOrganisation};
use gridbook_ledger::crypto::{Hash, PublicKey, SecretKey};
use gridbook_ledger::registry::{
    Installation, ORGANISATIONS_MAX, OrganisationId, OrganisationName, Plant, Reason, Role, Roles, Subject,
};

use super::genesis::parse_key;
use super::meter::{ConnectArgs, RegisterArgs, Session, area_by_name, parse_source};
use super::{Global, Usage};
use crate::amounts::{parse_energy, parse_money};
use crate::keyfile::read_key;
use crate::protocol::{QueryKind, RegistryEntry, RegistrySubject, Status};
use show::ShowArgs;

/// Enrol organisations, meters and accounts; change their keys; suspend, resume and revoke them.
#[derive(Debug, Subcommand)]
#[command(after_help = "\
Every command is signed by the key of --by: the operator's, or that of an organisation with the role that the command needs.
A registrar runs accounts, meters and suppliers; the grid operator of an area suspends its meters for safety; a device changes its
own key. Only the operator enrols organisations with rights.

Roles: registrar, grid-operator (with --area), market-operator, bank, supplier, auditor.
Reasons: other, owners-wish, key-lost, moved-out, tampering, unsafe, contract-ended, misconduct, resolved.

  export GRIDBOOK_NETWORK=net/network.toml
  gridbook keys generate --out town-hall.key
  gridbook registry organisation enrol --by net/operator.key --key town-hall.key --name 'Town hall' --role registrar
  gridbook registry account open --by town-hall.key --supplier 1
  gridbook registry account deposit 4 --by bank.key --amount 100
  gridbook registry meter install 0 --by town-hall.key --source solar --certificate 5e..
  gridbook registry meter suspend 0 --by town-hall.key --reason tampering
  gridbook registry meter rotate 0 --by alice.key --key alice-new.key
  gridbook registry meter show 0 --by town-hall.key")]
pub(crate) enum Registry {
    /// Enrol, suspend, resume, revoke and show organisations; give them another key.
    #[command(subcommand)]
    Organisation(OrganisationCommand),
    /// Enrol, suspend, resume, revoke and show meters; give them another key, another owner, another installation.
    #[command(subcommand)]
    Meter(MeterCommand),
    /// Open accounts, pay money in and out, show what they have.
    #[command(subcommand)]
    Account(AccountCommand),
}

#[derive(Debug, Subcommand)]
pub(crate) enum OrganisationCommand {
    /// Enrol an organisation with its key, name and roles.
    #[command(
        after_help = "  gridbook registry organisation enrol --by net/operator.key --key town-hall.key --name 'Town hall' --role registrar
  gridbook registry organisation enrol --by net/operator.key --public 5e.. --name 'North grid' --role grid-operator --area north"
    )]
    Enrol(EnrolArgs),
    /// It may give no commands until it is resumed.
    #[command(after_help = "  gridbook registry organisation suspend 1 --by net/operator.key --reason misconduct")]
    Suspend(ReasonArgs),
    /// It may give commands again.
    #[command(after_help = "  gridbook registry organisation resume 1 --by net/operator.key --reason resolved")]
    Resume(ReasonArgs),
    /// It may never give commands again. There is no way back.
    #[command(after_help = "  gridbook registry organisation revoke 1 --by net/operator.key --reason contract-ended")]
    Revoke(ReasonArgs),
    /// From now on another key signs for it.
    #[command(after_help = "  gridbook registry organisation rotate 1 --by town-hall.key --key town-hall-new.key
  gridbook registry organisation rotate 1 --by net/operator.key --public 5e..")]
    Rotate(RotateArgs),
    /// Print what the registry says of it.
    #[command(after_help = "  gridbook registry organisation show 1 --by town-hall.key")]
    Show(ShowArgs),
}

#[derive(Debug, Subcommand)]
pub(crate) enum MeterCommand {
    /// Open an account, register a meter for it, and deposit money: as `gridbook meter register`.
    #[command(
        after_help = "  gridbook registry meter enrol --operator-key town-hall.key --public 5e.. --supplier 1 --area north
  gridbook registry meter enrol --operator-key town-hall.key --key alice.key --account 3 --source solar --battery-ppm 900000"
    )]
    Enrol(RegisterArgs),
    /// It may give no commands until it is resumed. Its open orders and offers are taken back.
    #[command(after_help = "  gridbook registry meter suspend 0 --by town-hall.key --reason tampering")]
    Suspend(ReasonArgs),
    /// It may give commands again.
    #[command(after_help = "  gridbook registry meter resume 0 --by town-hall.key --reason resolved")]
    Resume(ReasonArgs),
    /// It may never give commands again. There is no way back.
    #[command(after_help = "  gridbook registry meter revoke 0 --by town-hall.key --reason key-lost")]
    Revoke(ReasonArgs),
    /// From now on another key signs for it.
    #[command(after_help = "  gridbook registry meter rotate 0 --by alice.key --key alice-new.key")]
    Rotate(RotateArgs),
    /// Hand it over to another account. It must have nothing open and nothing unsettled.
    #[command(after_help = "  gridbook registry meter transfer 0 --by town-hall.key --to 4
  gridbook registry meter transfer 0 --by town-hall.key --to 4 --reason owners-wish")]
    Transfer(TransferArgs),
    /// Set what stands behind it and what its connection carries. But for the certificate it must have nothing open and nothing unsettled.
    #[command(after_help = "  gridbook registry meter install 0 --by town-hall.key --source solar --export-max 2kWh
  gridbook registry meter install 0 --by town-hall.key --certificate 5e..")]
    Install(InstallArgs),
    /// Print what the registry says of it.
    #[command(after_help = "  gridbook registry meter show 0 --by town-hall.key")]
    Show(ShowArgs),
}

#[derive(Debug, Subcommand)]
pub(crate) enum AccountCommand {
    /// Open an account.
    #[command(after_help = "  gridbook registry account open --by town-hall.key
  gridbook registry account open --by town-hall.key --supplier 1")]
    Open(OpenArgs),
    /// A bank: note money that came in from outside. What the account owes is paid out of it first.
    #[command(after_help = "  gridbook registry account deposit 4 --by bank.key --amount 100

Who hears nothing of it looks at `account show` before sending it again: it may still have been taken.")]
    Deposit(PayArgs),
    /// A bank: note money that was paid out. Only what is free can be: neither what is reserved for orders and trades, nor what is owed.
    #[command(after_help = "  gridbook registry account withdraw 4 --by bank.key --amount 12.50

Who hears nothing of it looks at `account show` before sending it again: it may still have been taken.")]
    Withdraw(PayArgs),
    /// Print what the registry says of it.
    #[command(after_help = "  gridbook registry account show 4 --by town-hall.key")]
    Show(ShowArgs),
}

/// Who signs.
#[derive(Args, Clone, Debug)]
pub(crate) struct ByArgs {
    #[command(flatten)]
    connect: ConnectArgs,
    /// The secret key of whoever gives the command.
    #[arg(long, value_name = "FILE", env = "GRIDBOOK_BY")]
    by: PathBuf,
}

/// A key by its file or by its public half.
#[derive(Args, Clone, Debug)]
#[group(required = true, multiple = false)]
pub(crate) struct KeyArgs {
    /// The secret key, of which only the public half is used.
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// The public key, where the secret one is not at hand.
    #[arg(long, value_name = "HEX", value_parser = parse_key)]
    public: Option<PublicKey>,
}

/// Enrol an organisation.
#[derive(Args, Debug)]
pub(crate) struct EnrolArgs {
    #[command(flatten)]
    by: ByArgs,
    #[command(flatten)]
    key: KeyArgs,
    /// What people call it: up to 24 bytes.
    #[arg(long, value_name = "TEXT", value_parser = parse_name)]
    name: OrganisationName,
    /// What it may do; more than one if given more often.
    #[arg(long = "role", value_name = "ROLE", value_parser = parse_role, required = true)]
    roles: Vec<Role>,
    /// A grid operator's area, by the name in the genesis. Areas below it are its own too.
    #[arg(long, value_name = "NAME")]
    area: Option<String>,
}

/// Change how somebody stands.
#[derive(Args, Debug)]
pub(crate) struct ReasonArgs {
    /// The registration number.
    number: u32,
    #[command(flatten)]
    by: ByArgs,
    /// Why; it stays on the ledger.
    #[arg(long, value_name = "REASON", value_parser = parse_reason)]
    reason: Reason,
}

/// Change a key.
#[derive(Args, Debug)]
pub(crate) struct RotateArgs {
    /// The registration number.
    number: u32,
    #[command(flatten)]
    by: ByArgs,
    #[command(flatten)]
    key: KeyArgs,
}

/// Hand a meter over.
#[derive(Args, Debug)]
pub(crate) struct TransferArgs {
    /// The meter's registration number.
    number: u32,
    #[command(flatten)]
    by: ByArgs,
    /// The new owner's account.
    #[arg(long, value_name = "NUMBER")]
    to: u32,
    /// Why; it stays on the ledger.
    #[arg(long, value_name = "REASON", value_parser = parse_reason, default_value = "moved-out")]
    reason: Reason,
}

/// Set an installation. What is not given stays as it is.
#[derive(Args, Debug)]
pub(crate) struct InstallArgs {
    /// The meter's registration number.
    number: u32,
    #[command(flatten)]
    by: ByArgs,
    /// What is made behind it: solar, wind, hydro, biomass, storage, or grid_mix for nothing.
    #[arg(long, value_name = "SOURCE", value_parser = parse_source)]
    source: Option<EnergySources>,
    /// Of each million parts that go into a battery without a meter of its own, how many come out again; 0 for no battery.
    #[arg(long, value_name = "PPM")]
    battery_ppm: Option<u32>,
    /// The most the connection takes in per delivery period.
    #[arg(long, value_name = "ENERGY", value_parser = parse_energy)]
    import_max: Option<Energy>,
    /// The most the connection gives out per delivery period.
    #[arg(long, value_name = "ENERGY", value_parser = parse_energy)]
    export_max: Option<Energy>,
    /// The fingerprint of the certificate of installation: the BLAKE3 hash of the document, as `b3sum` prints it.
    #[arg(long, value_name = "HASH", value_parser = parse_fingerprint)]
    certificate: Option<Hash>,
}

/// Open an account.
#[derive(Args, Debug)]
pub(crate) struct OpenArgs {
    #[command(flatten)]
    by: ByArgs,
    /// The organisation that it belongs to.
    #[arg(long, value_name = "NUMBER")]
    supplier: Option<u32>,
}

/// Pay in or out.
#[derive(Args, Debug)]
pub(crate) struct PayArgs {
    /// The registration number.
    number: u32,
    #[command(flatten)]
    by: ByArgs,
    /// How much, with nine decimals at most.
    #[arg(long, value_name = "MONEY", value_parser = parse_payment)]
    amount: Money,
}

impl Registry {
    pub(crate) async fn run(self, global: &Global) -> anyhow::Result<()> {
        match self {
            Self::Organisation(command) => command.run(global).await,
            Self::Meter(command) => command.run(global).await,
            Self::Account(AccountCommand::Open(args)) => args.run(global).await,
            Self::Account(AccountCommand::Deposit(PayArgs { number, by, amount })) => {
                by.give(global, Command::Deposit { account: AccountId(number), amount }).await
            }
            Self::Account(AccountCommand::Withdraw(PayArgs { number, by, amount })) => {
                by.give(global, Command::Withdraw { account: AccountId(number), amount }).await
            }
            Self::Account(AccountCommand::Show(args)) => {
                let subject = RegistrySubject::Account(AccountId(args.number));
                args.run(global, subject).await
            }
        }
    }
}

impl OrganisationCommand {
    async fn run(self, global: &Global) -> anyhow::Result<()> {
        let subject = |number| organisation(number).map(Subject::Organisation);
        match self {
            Self::Enrol(args) => args.run(global).await,
            Self::Suspend(ReasonArgs { number, by, reason }) => {
                by.give(global, Command::Suspend { subject: subject(number)?, reason }).await
            }
            Self::Resume(ReasonArgs { number, by, reason }) => {
                by.give(global, Command::Resume { subject: subject(number)?, reason }).await
            }
            Self::Revoke(ReasonArgs { number, by, reason }) => {
                by.give(global, Command::Revoke { subject: subject(number)?, reason }).await
            }
            Self::Rotate(args) => {
                let subject = subject(args.number)?;
                args.run(global, subject).await
            }
            Self::Show(args) => {
                let subject = RegistrySubject::Organisation(organisation(args.number)?);
                args.run(global, subject).await
            }
        }
    }
}

impl MeterCommand {
    async fn run(self, global: &Global) -> anyhow::Result<()> {
        let subject = |number| Subject::Meter(MeterId(number));
        match self {
            Self::Enrol(args) => args.run(global).await,
            Self::Suspend(ReasonArgs { number, by, reason }) => {
                by.give(global, Command::Suspend { subject: subject(number), reason }).await
            }
            Self::Resume(ReasonArgs { number, by, reason }) => {
                by.give(global, Command::Resume { subject: subject(number), reason }).await
            }
            Self::Revoke(ReasonArgs { number, by, reason }) => {
                by.give(global, Command::Revoke { subject: subject(number), reason }).await
            }
            Self::Rotate(args) => {
                let subject = subject(args.number);
                args.run(global, subject).await
            }
            Self::Transfer(TransferArgs { number, by, to, reason }) => {
                let (meter, account) = (MeterId(number), AccountId(to));
                by.give(global, Command::TransferMeter { meter, account, reason }).await
            }
            Self::Install(args) => args.run(global).await,
            Self::Show(args) => {
                let subject = RegistrySubject::Meter(MeterId(args.number));
                args.run(global, subject).await
            }
        }
    }
}

impl ByArgs {
    pub(super) async fn open(&self) -> anyhow::Result<(Session, SecretKey)> {
        let key = read_key(&self.by)?;
        Ok((Session::open(&self.connect).await?, key))
    }

    /// Gives one command and prints what became of it.
    pub(super) async fn give(&self, global: &Global, command: Command) -> anyhow::Result<()> {
        let (session, key) = self.open().await?;
        let done = session.submit(&key, vec![command]).await?;
        session.report(global, &done)
    }

    /// Gives a command that needs the next free number.
    async fn give_with_next(&self, global: &Global, command: impl Fn(&Status) -> Command) -> anyhow::Result<()> {
        let (session, key) = self.open().await?;
        let done = session.submit_with_next(&key, command).await?;
        session.report(global, &done)
    }
}

impl KeyArgs {
    fn public(&self) -> anyhow::Result<PublicKey> {
        match (self.public, &self.key) {
            (Some(public), _) => Ok(public),
            (None, Some(file)) => Ok(read_key(file)?.public()),
            (None, None) => Err(Usage::error("give the key by --key or --public")),
        }
    }
}

impl EnrolArgs {
    async fn run(self, global: &Global) -> anyhow::Result<()> {
        let (key, name) = (self.key.public()?, self.name);
        let roles: Roles = self.roles.iter().copied().collect();
        let by = read_key(&self.by.by)?;
        let network = self.by.connect.known()?;
        let area = self.area.as_deref().map(|name| area_by_name(&network.genesis, Some(name))).transpose()?;
        let session = network.open().await?;
        let enrol = |status: &Status| {
            let organisation = OrganisationId(status.organisations);
            Command::RegisterOrganisation(NewOrganisation { organisation, key, name, roles, area })
        };
        let done = session.submit_with_next(&by, enrol).await?;
        session.report(global, &done)
    }
}

impl OpenArgs {
    async fn run(self, global: &Global) -> anyhow::Result<()> {
        let organisation = self.supplier.map(organisation).transpose()?;
        let open = |status: &Status| Command::RegisterAccount { account: AccountId(status.accounts), organisation };
        self.by.give_with_next(global, open).await
    }
}

impl RotateArgs {
    async fn run(self, global: &Global, subject: Subject) -> anyhow::Result<()> {
        let key = self.key.public()?;
        self.by.give(global, Command::RotateKey { subject, key }).await
    }
}

impl InstallArgs {
    /// Asks what there is and changes what is given.
    async fn run(self, global: &Global) -> anyhow::Result<()> {
        let (session, key) = self.by.open().await?;
        let (meter, query) = (MeterId(self.number), session.query(&key, QueryKind::Registry));
        let entry = session.client.registry(query, RegistrySubject::Meter(meter)).await?;
        let RegistryEntry::Meter { plant, import_max, export_max, certificate, .. } = entry else {
            bail!("the validator told of something else than a meter")
        };
        let storage_ppm = self.battery_ppm.map_or(plant.storage_ppm, |ppm| Some(ppm).filter(|ppm| *ppm > 0));
        let installation = Installation {
            plant: Plant { source: self.source.unwrap_or(plant.source), storage_ppm },
            import_max: self.import_max.unwrap_or(import_max),
            export_max: self.export_max.unwrap_or(export_max),
            certificate: self.certificate.unwrap_or(certificate),
        };
        installation.plant.check().map_err(|code| Usage::error(code.to_string()))?;
        let done = session.submit(&key, vec![Command::SetInstallation { meter, installation }]).await?;
        session.report(global, &done)
    }
}

/// An organisation by its number, if there can be one of that.
pub(super) fn organisation(number: u32) -> anyhow::Result<OrganisationId> {
    match u16::try_from(number) {
        Ok(number) if number < ORGANISATIONS_MAX => Ok(OrganisationId(number)),
        _ => Err(Usage::error("organisations have numbers below 4,096")),
    }
}

fn parse_fingerprint(text: &str) -> Result<Hash, String> {
    Hash::from_hex(text)
        .ok_or_else(|| "the fingerprint is 64 lowercase hexadecimal digits, as `b3sum FILE` prints".to_owned())
}

fn parse_payment(text: &str) -> Result<Money, String> {
    match parse_money(text)? {
        amount if amount <= Money::ZERO => Err("there is nothing to pay: the amount must be above zero".to_owned()),
        amount if amount > AMOUNT_MAX => Err(format!("at most {AMOUNT_MAX} is paid at once")),
        amount => Ok(amount),
    }
}

fn parse_name(text: &str) -> Result<OrganisationName, String> {
    OrganisationName::new(text).map_err(|code| code.sentence().to_owned())
}

fn parse_role(text: &str) -> Result<Role, String> {
    Role::from_name(text).ok_or_else(|| {
        let known: Vec<&str> = Role::NAMES.iter().map(|(_, name)| *name).collect();
        format!("{text:?} is not a role: there are {}", known.join(", "))
    })
}

fn parse_reason(text: &str) -> Result<Reason, String> {
    Reason::from_name(text).ok_or_else(|| {
        let known: Vec<&str> = Reason::ALL.iter().map(|reason| reason.name()).collect();
        format!("{text:?} is not a reason: there are {}", known.join(", "))
    })
}

/// An area by its name, for people.
fn area_text(session: &Session, area: AreaId) -> &str {
    session.genesis.area_name(area)
}
