//! The state root: what a header says about accounts and meters (DESIGN section 8).

use gridbook_engine::{AccountId, MeterId};

use super::tables::{Account, Counters, Tables, index};
use super::{AccountView, LastBundle, MeterView, OrganisationView, State, view_of};
use crate::bytes::Writer;
use crate::crypto::{Hash, Hasher};
use crate::merkle::{DenseTree, Path};

/// One leaf for each account and each meter, by registration number.
#[derive(Clone, Debug, Default)]
pub(super) struct Trees {
    accounts: DenseTree,
    meters: DenseTree,
    organisations: DenseTree,
}

/// The roots of the three trees.
struct Roots {
    accounts: Hash,
    meters: Hash,
    organisations: Hash,
}

/// That an account or a meter stands in a state with a certain root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateProof {
    /// From the leaf to the root of its tree.
    pub path: Path,
    /// The root of the tree of accounts.
    pub accounts_root: Hash,
    /// The root of the tree of meters.
    pub meters_root: Hash,
    /// The hash of the counters, the system's accounts and the organisations.
    pub counters_hash: Hash,
}

impl StateProof {
    fn new(path: Path, roots: &Roots, tables: &Tables) -> Self {
        let counters_hash = counters_hash(tables, &roots.organisations);
        Self { path, accounts_root: roots.accounts, meters_root: roots.meters, counters_hash }
    }

    /// Whether the account stood so in the state of `state_root`.
    #[must_use]
    pub fn verify_account(&self, number: AccountId, account: &AccountView, state_root: &Hash) -> bool {
        self.leads_to(state_root) && self.fits(number.0, &account_leaf(number, account), &self.accounts_root)
    }

    /// Whether the meter stood so in the state of `state_root`.
    #[must_use]
    pub fn verify_meter(&self, number: MeterId, meter: &MeterView, state_root: &Hash) -> bool {
        self.leads_to(state_root) && self.fits(number.0, &meter_leaf(number, meter), &self.meters_root)
    }

    fn fits(&self, number: u32, leaf: &Hash, tree_root: &Hash) -> bool {
        self.path.index == u64::from(number) && self.path.verify(leaf, tree_root)
    }

    fn leads_to(&self, state_root: &Hash) -> bool {
        join(&self.accounts_root, &self.meters_root, &self.counters_hash) == *state_root
    }
}

impl State {
    /// The root over accounts, meters and counters: equal on all validators after the same entries. Costs only what changed since it
    /// was last asked for.
    pub fn state_root(&mut self) -> Hash {
        let roots = self.trees.update(&mut self.tables);
        join(&roots.accounts, &roots.meters, &counters_hash(&self.tables, &roots.organisations))
    }

    /// Proves how an account stands now.
    pub fn prove_account(&mut self, account: AccountId) -> Option<StateProof> {
        let roots = self.trees.update(&mut self.tables);
        let path = self.trees.accounts.path(index(account.0))?;
        Some(StateProof::new(path, &roots, &self.tables))
    }

    /// Proves how a meter stands now.
    pub fn prove_meter(&mut self, meter: MeterId) -> Option<StateProof> {
        let roots = self.trees.update(&mut self.tables);
        let path = self.trees.meters.path(index(meter.0))?;
        Some(StateProof::new(path, &roots, &self.tables))
    }
}

impl Trees {
    /// Brings the trees up to date and tells their roots. What a rollback took away is cut off; what it changed was marked stale.
    fn update(&mut self, tables: &mut Tables) -> Roots {
        let stale = tables.stale_accounts.drain();
        let accounts = tables.accounts();
        refresh(&mut self.accounts, accounts.len(), &stale, |number| {
            account_leaf(AccountId(number), &view_of(&accounts[index(number)]))
        });
        let stale = tables.stale_meters.drain();
        let meters = tables.meters();
        refresh(&mut self.meters, meters.len(), &stale, |number| {
            meter_leaf(MeterId(number), &MeterView::of(&meters[index(number)]))
        });
        let stale = tables.stale_organisations.drain();
        let organisations = tables.organisations();
        refresh(&mut self.organisations, organisations.len(), &stale, |number| {
            organisation_leaf(number, &OrganisationView::of(&organisations[index(number)]))
        });
        Roots { accounts: self.accounts.root(), meters: self.meters.root(), organisations: self.organisations.root() }
    }
}

fn refresh(tree: &mut DenseTree, count: usize, stale: &[u32], leaf: impl Fn(u32) -> Hash) {
    tree.truncate(count);
    for number in stale.iter().copied().filter(|number| index(*number) < count) {
        // Every new row was marked stale, and the list ascends: so rows behind the tree's end come one after the other.
        if index(number) < tree.len() {
            tree.set(index(number), leaf(number));
        } else {
            assert_eq!(index(number), tree.len(), "a new row is always stale");
            tree.push(leaf(number));
        }
    }
    assert_eq!(tree.len(), count, "a new row is always stale");
}

/// The leaf of an account under the state root.
pub fn account_leaf(number: AccountId, account: &AccountView) -> Hash {
    let AccountView { balance, reserved, history_head, score, share_ppm, organisation } = *account;
    let mut hasher = Hasher::new("gridbook/account/2");
    hasher.update(&number.0.to_le_bytes()).update(&balance.0.to_le_bytes()).update(&reserved.0.to_le_bytes());
    hasher.update(&history_head.0).update(&score.to_le_bytes()).update(&share_ppm.to_le_bytes());
    hasher.update(&organisation.map_or(0, |organisation| organisation.0.saturating_add(1)).to_le_bytes());
    hasher.finish()
}

/// The leaf of a meter under the state root.
pub fn meter_leaf(number: MeterId, meter: &MeterView) -> Hash {
    let (last_seq, last_id) = meter.last_bundle.map_or((0, Hash::ZERO), |LastBundle { seq, id }| (seq, id));
    let mut hasher = Hasher::new("gridbook/meter/4");
    hasher.update(&number.0.to_le_bytes()).update(&meter.account.0.to_le_bytes()).update(&meter.key.0);
    hasher.update(&meter.area.0.to_le_bytes()).update(&meter.first_period.0.to_le_bytes());
    hasher.update(&meter.import_max.0.to_le_bytes()).update(&meter.export_max.0.to_le_bytes());
    hasher.update(&[meter.plant.source_number()]).update(&meter.plant.storage_number().to_le_bytes());
    hasher.update(&meter.certificate.0);
    hasher.update(&[meter.standing.number(), meter.reason.number(), meter.rotations]);
    hasher.update(&meter.nonce.to_le_bytes()).update(&meter.history_head.0);
    hasher.update(&last_seq.to_le_bytes()).update(&last_id.0).update(&meter.charge.0.to_le_bytes());
    hasher.update(&meter.grants.0);
    hasher.finish()
}

/// The leaf of an organisation, under the counters' hash.
pub(super) fn organisation_leaf(number: u32, organisation: &OrganisationView) -> Hash {
    let mut hasher = Hasher::new("gridbook/organisation/1");
    hasher.update(&number.to_le_bytes()).update(&organisation.key.0).update(organisation.name.bytes());
    hasher.update(&[organisation.roles.bits()]);
    hasher.update(&organisation.area.map_or(0, |area| area.0.saturating_add(1)).to_le_bytes());
    hasher.update(&[organisation.standing.number(), organisation.reason.number(), organisation.rotations]);
    hasher.update(&organisation.nonce.to_le_bytes()).update(&organisation.history_head.0);
    hasher.finish()
}

/// Time, the operator's nonce, the system's accounts, the organisations, and what was traded and settled. Not how many commands there were and how many of
/// them were refused: a refusal leaves the root as it was.
fn counters_hash(tables: &Tables, organisations: &Hash) -> Hash {
    hash_counters(tables.counters(), tables.system_accounts(), organisations)
}

/// As [`counters_hash`], for what a snapshot says.
pub(super) fn hash_counters(counters: &Counters, system: &[Account], organisations: &Hash) -> Hash {
    let mut w = Writer::new();
    w.u64(counters.now.0).u64(counters.operator_nonce);
    for Account { balance, reserved, .. } in system {
        w.i128(balance.0).i128(reserved.0);
    }
    let totals = &counters.totals;
    w.u64(totals.orders).u64(totals.trades).u64(totals.energy_wh).u64(totals.settlements).u64(totals.expired);
    w.u64(totals.fills).bytes(&organisations.0);
    Hash::of("gridbook/counters/3", w.as_slice())
}

pub(super) fn join(accounts: &Hash, meters: &Hash, counters: &Hash) -> Hash {
    let mut hasher = Hasher::new("gridbook/state/1");
    hasher.update(&accounts.0).update(&meters.0).update(&counters.0);
    hasher.finish()
}
