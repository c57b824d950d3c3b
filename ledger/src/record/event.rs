//! What a command set off.

mod bytes;

pub(super) use bytes::{read_contract, write_contract};

use gridbook_engine::{
    AccountId, AreaId, BlockState, ClearingCase, Contract, DeliveryPeriod, Direction, Energy, Expiry,
};
use gridbook_engine::{MeterId, Money, Price, Side};

use super::certificates::Certificates;
use super::consent::Consent;
use super::{AreaResidual, AreaSettled, MeterSettled, RegistersRead, Trade};
use crate::conduct::{DeviceFault, EntryState, Proof};
use crate::crypto::{Hash, PublicKey};
use crate::evidence::EvidenceKind;
use crate::registry::{DeviceStanding, OrganisationId, Reason, Subject};
use crate::settlement::AreaFault;

/// An order as records name it: by meter and client id. The account is there for whoever follows the money.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartyRef {
    /// Whose it is.
    pub account: AccountId,
    /// Which meter's.
    pub meter: MeterId,
    /// Its name at that meter.
    pub client_id: u64,
}

/// Where money comes from or goes to (MARKET section 7.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Purse {
    /// A registered account.
    Account(AccountId),
    /// The bank outside: deposits come from here, withdrawals go there.
    Outside,
    /// The operator of the grid.
    Operator,
    /// The imbalance account.
    Imbalance,
    /// The grid upstream.
    Upstream,
    /// Losses of the network.
    Losses,
    /// What rounding leaves.
    Rounding,
    /// Bears what accounts could not pay for their own trades' imbalance.
    Default,
}

/// Something that happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordEvent {
    /// Two orders met, or two parties agreed.
    Trade(Trade),
    /// What is left of an incoming order now rests in the book; of a block, that it waits for its auction.
    Rested {
        /// The order.
        order: PartyRef,
        /// How much rests.
        remaining: Energy,
    },
    /// What is left of an immediate-or-cancel order was dropped.
    Dropped {
        /// The order.
        order: PartyRef,
        /// How much was dropped.
        remaining: Energy,
    },
    /// An order was taken out by its owner.
    Cancelled {
        /// The order.
        order: PartyRef,
        /// How much of it was still open.
        remaining: Energy,
    },
    /// An order became smaller and kept its place.
    Reduced {
        /// The order.
        order: PartyRef,
        /// How much is open now; zero means that it left the book.
        remaining: Energy,
    },
    /// An order left the book for good.
    Expired {
        /// The order.
        order: PartyRef,
        /// How much of it was still open.
        remaining: Energy,
        /// Why.
        cause: Expiry,
    },
    /// An order, or a block in one of its periods, traded in a call auction.
    Filled {
        /// The order.
        order: PartyRef,
        /// Which way.
        side: Side,
        /// Where and when.
        contract: Contract,
        /// How much of it.
        energy: Energy,
        /// The area's price per kWh.
        price: Price,
        /// What is left of it.
        remaining: Energy,
    },
    /// A call auction has set the price of a contract.
    Cleared {
        /// The contract.
        contract: Contract,
        /// The price per kWh; nothing if nothing was there to set one.
        price: Option<Price>,
        /// What set it.
        case: ClearingCase,
    },
    /// What a call auction sends over an edge.
    Flow {
        /// The area below the edge.
        area: AreaId,
        /// When.
        period: DeliveryPeriod,
        /// In watt-hours; more than zero up, less than zero down.
        up: i64,
        /// What the edge's operator takes as its fee.
        fee: Money,
        /// What the edge's operator takes because the edge was full.
        rent: Money,
    },
    /// What a call auction did with a block order.
    Block {
        /// The block.
        order: PartyRef,
        /// What became of it.
        state: BlockState,
    },
    /// What an edge may carry in a period was set.
    CapacitySet {
        /// The area below the edge.
        area: AreaId,
        /// When.
        period: DeliveryPeriod,
        /// The most up.
        up: Energy,
        /// The most down.
        down: Energy,
    },
    /// An edge may carry less than already flows. No trade is undone.
    Overload {
        /// The area below the edge.
        area: AreaId,
        /// When.
        period: DeliveryPeriod,
        /// Which way.
        direction: Direction,
        /// By how much.
        by: Energy,
    },
    /// A pre-arranged trade is offered, and waits for the other party's signature.
    Offered {
        /// The offer.
        offer: PartyRef,
        /// Whose account it is for.
        to_account: AccountId,
        /// Which meter's.
        to: MeterId,
        /// When the energy is delivered.
        period: DeliveryPeriod,
        /// What the offering party does.
        side: Side,
        /// What the seller gets per kWh.
        price: Price,
        /// How much.
        energy: Energy,
    },
    /// A meter's registers at the end of a period are known.
    Read(RegistersRead),
    /// What flowed over an area's edge is known.
    AreaRead {
        /// Where and when.
        contract: Contract,
        /// What left the area upwards, in Wh; less than zero for what came in.
        sent_up_wh: i64,
    },
    /// What imbalance costs in a contract was set.
    ImbalancePricesSet {
        /// Where and when.
        contract: Contract,
        /// What missing energy costs per kWh.
        short_price: Price,
        /// What energy too much brings per kWh.
        long_price: Price,
    },
    /// A meter's trades and delivery in one period were settled, or settled again.
    MeterSettled(MeterSettled),
    /// An area's own accounts for one period were settled, or settled again.
    AreaSettled(AreaSettled),
    /// What the virtual meter of an area shows was settled, or is another amount now, or is known otherwise.
    AreaResidual(AreaResidual),
    /// An area's energies of one period contradict each other: nobody in it is paid before that is mended.
    AreaFrozen {
        /// Where and when.
        contract: Contract,
        /// What contradicts what.
        why: AreaFault,
    },
    /// The operator of a frozen area answers for its losses: it is looked at once more, and settled.
    LossesAccepted {
        /// Where and when.
        contract: Contract,
        /// How much in Wh; less than zero for energy found.
        losses_wh: i64,
    },
    /// An area is settled, and what became known of one below it no longer fits what it was settled by. It stays settled as it is until
    /// somebody reads better.
    AreaUnfit {
        /// Where and when.
        contract: Contract,
        /// What contradicts what.
        why: AreaFault,
    },
    /// A correction is not settled before something else is corrected: with it alone, the losses of the area, or of one above it, would
    /// be out of bounds.
    CorrectionHeld {
        /// Whose.
        meter: MeterId,
        /// Where it is, and when.
        contract: Contract,
        /// What would contradict what.
        why: AreaFault,
    },
    /// Nothing of a period can be changed any more.
    PeriodFinal {
        /// Which.
        period: DeliveryPeriod,
    },
    /// Money moved.
    Posted {
        /// From here.
        from: Purse,
        /// To here.
        to: Purse,
        /// How much.
        amount: Money,
    },
    /// Certificates of origin were issued, moved, claimed, taken back or closed.
    Certificates(Certificates),
    /// A meter's owner has let somebody read its data, or that has ended.
    Consent(Consent),
    /// An account was opened.
    AccountRegistered {
        /// The account.
        account: AccountId,
    },
    /// A meter was registered.
    MeterRegistered {
        /// The meter.
        meter: MeterId,
        /// Whose it is.
        account: AccountId,
    },
    /// Stands first where an organisation gave the command: which one.
    Ordered {
        /// The organisation.
        by: OrganisationId,
    },
    /// An organisation was enrolled.
    OrganisationRegistered {
        /// The organisation.
        organisation: OrganisationId,
    },
    /// A meter or an organisation was suspended, resumed or revoked.
    StandingChanged {
        /// Who.
        subject: Subject,
        /// How it stands now.
        standing: DeviceStanding,
        /// Why.
        reason: Reason,
    },
    /// A meter or an organisation has a new key.
    KeyChanged {
        /// Who.
        subject: Subject,
        /// The key that signs for it from now on.
        key: PublicKey,
    },
    /// A meter has a new owner.
    MeterTransferred {
        /// The meter.
        meter: MeterId,
        /// Whose it was.
        from: AccountId,
        /// Whose it is.
        to: AccountId,
        /// Why.
        reason: Reason,
    },
    /// What stands behind a meter was set anew.
    InstallationSet {
        /// The meter.
        meter: MeterId,
        /// The fingerprint of the certificate of installation.
        certificate: Hash,
    },
    /// A device's fault was entered against its account, with its proof. The one event that a refused command can set off: its refusal is
    /// the proof, or a part of it.
    Misconduct {
        /// The entry's number.
        entry: u64,
        /// Whose the device is.
        account: AccountId,
        /// The device.
        meter: MeterId,
        /// What.
        kind: DeviceFault,
        /// The delivery period, if it is about one.
        period: Option<DeliveryPeriod>,
        /// The records that prove it.
        proof: Proof,
    },
    /// A validator's misconduct was entered.
    ValidatorMisconduct {
        /// The entry's number.
        entry: u64,
        /// The key that it signed with.
        validator: PublicKey,
        /// What.
        kind: EvidenceKind,
        /// The hash of the evidence, which is this record's entry in the log.
        evidence: Hash,
    },
    /// An entry was challenged, or an appeal was ruled on.
    ConductRevised {
        /// The entry's number.
        entry: u64,
        /// Who bears it.
        account: AccountId,
        /// How it stands now.
        state: EntryState,
        /// The fingerprint of the account's statement, or of the reasons for the ruling.
        fingerprint: Hash,
    },
    /// An entry is over: its points come back, unless it was struck before.
    ConductExpired {
        /// The entry's number.
        entry: u64,
        /// Who bore it; none if a validator did.
        account: Option<AccountId>,
    },
    /// What stands against an account changed its score, and with it the share of collateral that its orders need.
    ScoreChanged {
        /// The account.
        account: AccountId,
        /// From 0 to [`SCORE_FULL`](crate::conduct::SCORE_FULL).
        score: u16,
        /// The share, in parts per million.
        share_ppm: u32,
    },
}
