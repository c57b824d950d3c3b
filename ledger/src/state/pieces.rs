//! A snapshot in pieces, each checked by itself against the roots of one header.
//!
//! Accounts and meters go in pages of 1,024 rows. Their leaves are those of the state tree, so the node over a page checks it, and
//! the nodes of all pages give the header's state root. The rest goes in pieces of a fixed length, whose hashes, together with the
//! state root, give the header's snapshot root. So a bad piece is found when it arrives, and names who sent it.

use core::ops::Range;

use gridbook_engine::{AccountId, AreaId, DeliveryPeriod, Energy, LedgerTime, MeterId, Money};
use rkyv::{Archive, Deserialize, Serialize};

use super::image::{self, ACCOUNT_BYTES, AccountImage, COUNTS_BYTES, METER_BYTES, MeterImage};
use super::roots::{self, organisation_leaf};
use super::tables::{Account, Counters};
use super::{AccountView, MeterView, OrganisationView, Totals, account_leaf, meter_leaf};
use crate::bytes::{BytesError, Reader};
use crate::crypto::{Hash, Hasher};
use crate::merkle::{self, PAGE_LEAVES};
use crate::origin::ChargeBalance;

/// Length of a piece of the rest.
const REST_PIECE_BYTES: usize = 128 << 10;
/// The longest piece: a page of meters.
pub const PIECE_BYTES_MAX: usize = PAGE_LEAVES * METER_BYTES;
const _: () = assert!(REST_PIECE_BYTES <= PIECE_BYTES_MAX && ACCOUNT_BYTES <= METER_BYTES);

/// The longest rest: more than any ledger of this design has, and few enough hashes to be listed.
const REST_BYTES_MAX: u64 = 16 << 30;

/// The hashes of all pieces of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Archive, Serialize, Deserialize)]
pub struct PieceList {
    /// How many accounts there are.
    pub accounts: u32,
    /// The nodes over the pages of accounts.
    pub account_nodes: Vec<Hash>,
    /// How many meters there are.
    pub meters: u32,
    /// The nodes over the pages of meters.
    pub meter_nodes: Vec<Hash>,
    /// The hash of the counters and the system's accounts, the third part of the state root.
    pub counters_hash: Hash,
    /// Length of the rest.
    pub rest_bytes: u64,
    /// The hashes of its pieces.
    pub rest: Vec<Hash>,
}

/// Why a piece or a list of pieces was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PieceError {
    /// A list that is not as long as it says.
    #[error("the list of pieces contradicts itself")]
    List,
    /// There is no such piece.
    #[error("there is no piece {0}")]
    Number(u32),
    /// A piece whose bytes are not those that the list names.
    #[error("piece {0} is not the one that the list names")]
    Hash(u32),
}

/// What a piece holds.
enum Part {
    Accounts { first: u32, count: u32 },
    Meters { first: u32, count: u32 },
    Rest { bytes: u64 },
}

impl PieceList {
    /// The list of a whole snapshot, as [`State::snapshot`](super::State::snapshot) gives it.
    ///
    /// # Errors
    /// If the bytes cannot be read.
    pub fn of(snapshot: &[u8]) -> Result<Self, BytesError> {
        let mut r = Reader::new(snapshot);
        let (accounts, meters) = image::read_counts(&mut r)?;
        let account_rows = r.bytes(accounts as usize * ACCOUNT_BYTES)?;
        let meter_rows = r.bytes(meters as usize * METER_BYTES)?;
        let rest = r.bytes(r.remaining())?;
        let pages = |rows: &'_ [u8], row_bytes, node: fn(u32, &[u8]) -> Result<Hash, BytesError>| {
            let pages = (0_u32..).zip(rows.chunks(PAGE_LEAVES * row_bytes));
            pages.map(|(page, rows)| node(page * PAGE_LEAVES as u32, rows)).collect::<Result<Vec<_>, _>>()
        };
        Ok(Self {
            accounts,
            account_nodes: pages(account_rows, ACCOUNT_BYTES, accounts_node)?,
            meters,
            meter_nodes: pages(meter_rows, METER_BYTES, meters_node)?,
            counters_hash: counters_hash_of(rest)?,
            rest_bytes: rest.len() as u64,
            rest: rest_hashes(rest),
        })
    }

    /// The state root that accounts, meters and counters of this list have.
    pub fn state_root(&self) -> Hash {
        let accounts = merkle::root_of_pages(self.accounts.into(), &self.account_nodes);
        let meters = merkle::root_of_pages(self.meters.into(), &self.meter_nodes);
        roots::join(&accounts, &meters, &self.counters_hash)
    }

    /// The root over everything.
    pub fn snapshot_root(&self) -> Hash {
        snapshot_root_of(&self.state_root(), self.rest_bytes, &self.rest)
    }

    /// Whether the list is as long as its counts say. To be asked of one from outside before anything else.
    ///
    /// # Errors
    /// [`PieceError::List`].
    pub fn check(&self) -> Result<(), PieceError> {
        let pages = |rows: u32| (rows as usize).div_ceil(PAGE_LEAVES);
        let whole = self.account_nodes.len() == pages(self.accounts)
            && self.meter_nodes.len() == pages(self.meters)
            && self.rest_bytes <= REST_BYTES_MAX
            && self.rest.len() as u64 == self.rest_bytes.div_ceil(REST_PIECE_BYTES as u64);
        if whole { Ok(()) } else { Err(PieceError::List) }
    }

    /// How many pieces there are.
    pub fn count(&self) -> u32 {
        let count = self.account_nodes.len() + self.meter_nodes.len() + self.rest.len();
        u32::try_from(count).expect("counts of rows and the longest rest give fewer")
    }

    /// Length of the whole snapshot.
    pub fn snapshot_bytes(&self) -> u64 {
        self.rest_start() + self.rest_bytes
    }

    /// What stands before the first piece.
    pub fn front(&self) -> [u8; COUNTS_BYTES] {
        let counts = [self.accounts.to_le_bytes(), self.meters.to_le_bytes()];
        counts.concat().try_into().expect("twice four bytes")
    }

    /// Where a piece lies in the snapshot's bytes.
    pub fn range(&self, piece: u32) -> Option<Range<u64>> {
        let (start, bytes) = match self.part(piece)? {
            Part::Accounts { first, count } => (self.account_start(first), u64::from(count) * ACCOUNT_BYTES as u64),
            Part::Meters { first, count } => (self.meter_start(first), u64::from(count) * METER_BYTES as u64),
            Part::Rest { bytes } => {
                let place = piece as usize - self.account_nodes.len() - self.meter_nodes.len();
                (self.rest_start() + (place * REST_PIECE_BYTES) as u64, bytes)
            }
        };
        Some(start..start + bytes)
    }

    /// Whether these are the bytes of a piece.
    ///
    /// # Errors
    /// [`PieceError::Number`], [`PieceError::Hash`].
    pub fn check_piece(&self, piece: u32, bytes: &[u8]) -> Result<(), PieceError> {
        let part = self.part(piece).ok_or(PieceError::Number(piece))?;
        let length = self.range(piece).map_or(0, |range| range.end - range.start);
        let found = match part {
            _ if bytes.len() as u64 != length => None,
            Part::Accounts { first, .. } => accounts_node(first, bytes).ok(),
            Part::Meters { first, .. } => meters_node(first, bytes).ok(),
            Part::Rest { .. } => Some(rest_hash(bytes)),
        };
        if found == self.hash(piece) && found.is_some() { Ok(()) } else { Err(PieceError::Hash(piece)) }
    }

    fn hash(&self, piece: u32) -> Option<Hash> {
        self.account_nodes.iter().chain(&self.meter_nodes).chain(&self.rest).nth(piece as usize).copied()
    }

    fn part(&self, piece: u32) -> Option<Part> {
        let rows = |page: usize, rows: u32| {
            let first = u32::try_from(page * PAGE_LEAVES).ok()?;
            Some((first, (rows - first).min(PAGE_LEAVES as u32)))
        };
        let place = piece as usize;
        if place < self.account_nodes.len() {
            return rows(place, self.accounts).map(|(first, count)| Part::Accounts { first, count });
        }
        let place = place - self.account_nodes.len();
        if place < self.meter_nodes.len() {
            return rows(place, self.meters).map(|(first, count)| Part::Meters { first, count });
        }
        let place = place - self.meter_nodes.len();
        let start = (place < self.rest.len()).then_some(place as u64 * REST_PIECE_BYTES as u64)?;
        Some(Part::Rest { bytes: (self.rest_bytes - start).min(REST_PIECE_BYTES as u64) })
    }

    fn account_start(&self, number: u32) -> u64 {
        COUNTS_BYTES as u64 + u64::from(number) * ACCOUNT_BYTES as u64
    }

    fn meter_start(&self, number: u32) -> u64 {
        self.account_start(self.accounts) + u64::from(number) * METER_BYTES as u64
    }

    fn rest_start(&self) -> u64 {
        self.meter_start(self.meters)
    }
}

/// The root over everything: the state root covers accounts, meters and counters, the hashes the rest.
pub(super) fn snapshot_root_of(state_root: &Hash, rest_bytes: u64, rest: &[Hash]) -> Hash {
    let mut hasher = Hasher::new("gridbook/snapshot/4");
    hasher.update(&state_root.0).update(&rest_bytes.to_le_bytes()).update(&merkle::root(rest).0);
    hasher.finish()
}

/// The hashes of the pieces of the rest.
pub(super) fn rest_hashes(rest: &[u8]) -> Vec<Hash> {
    rest.chunks(REST_PIECE_BYTES).map(rest_hash).collect()
}

fn rest_hash(piece: &[u8]) -> Hash {
    Hash::of("gridbook/snapshot-piece/1", piece)
}

fn accounts_node(first: u32, rows: &[u8]) -> Result<Hash, BytesError> {
    let view = |AccountImage { balance, reserved, history, score, share_ppm, organisation }| AccountView {
        balance: Money(balance),
        reserved: Money(reserved),
        history_head: history,
        score,
        share_ppm,
        organisation,
    };
    let rows = (first..).zip(image::read_accounts(rows)?);
    let leaves: Vec<Hash> = rows.map(|(number, row)| account_leaf(AccountId(number), &view(row))).collect();
    Ok(merkle::page_node(&leaves))
}

fn meters_node(first: u32, rows: &[u8]) -> Result<Hash, BytesError> {
    let view = |row: MeterImage| MeterView {
        account: AccountId(row.account),
        key: row.key,
        area: AreaId(row.area),
        first_period: DeliveryPeriod(row.first_period),
        import_max: Energy(row.import_max),
        export_max: Energy(row.export_max),
        plant: row.plant,
        certificate: row.certificate,
        standing: row.access.standing,
        reason: row.access.reason,
        nonce: row.access.nonce,
        rotations: row.access.rotations,
        last_bundle: row.last_bundle,
        charge: ChargeBalance(row.charge),
        history_head: row.history,
        grants: row.grants,
    };
    let rows = (first..).zip(image::read_meters(rows)?);
    let leaves: Vec<Hash> = rows.map(|(number, row)| meter_leaf(MeterId(number), &view(row))).collect();
    Ok(merkle::page_node(&leaves))
}

/// The rest begins with what the counters' hash covers.
fn counters_hash_of(rest: &[u8]) -> Result<Hash, BytesError> {
    let head = image::read_head(&mut Reader::new(rest))?;
    let (now, operator_nonce, totals) = (LedgerTime(head.now), head.operator_nonce, Totals::from(head.totals));
    let counters = Counters { now, operator_nonce, totals };
    let system: Vec<Account> = head.system.iter().map(Account::from).collect();
    let organisations = (0..).zip(&head.organisations);
    let organisations =
        organisations.map(|(number, row)| organisation_leaf(number, &OrganisationView::of(&row.into())));
    let organisations: Vec<Hash> = organisations.collect();
    Ok(roots::hash_counters(&counters, &system, &merkle::root(&organisations)))
}
