//! What meters and organisations tell the market: commands, and signed bundles of them (MARKET section 3).
//!
//! Each command has 64 bytes. What needs more is a head followed by further commands of the same bundle: a basket by its orders, a block
//! by its parts. Apart from these, every command of a bundle stands for itself.
//!
//! The bytes are laid by hand so that a small meter can produce them, and every content has exactly one encoding.

mod agreement;
mod block;
mod bundle;
mod certificates;
mod consent;
mod group;
mod metering;
mod order;
mod record;
mod registry;

pub use agreement::{Accept, AgreedTerms, Offer};
pub use block::{Block, BlockPart};
pub use bundle::{BUNDLE_BYTES_MAX, Bundle, BundleId, COMMANDS_MAX, NEVER, SignedBundle};
pub use certificates::Claim;
pub use consent::GrantAccess;
pub use group::BASKET_ORDERS_MAX;
pub(crate) use group::group_length;
pub use metering::{AcceptLosses, AreaReading, Correction, Reading, SetImbalancePrices};
pub use order::Place;
pub(crate) use order::{side_from_number, side_number};
pub use record::{AMOUNT_MAX, COMMAND_BYTES};
pub use registry::NewOrganisation;

use gridbook_engine::{AccountId, AreaId, Contract, DeliveryPeriod, Energy, MeterId, Money, Price};

use crate::conduct::Ruling;
use crate::consent::GrantReader;
use crate::crypto::{Hash, PublicKey};
use crate::registry::{Installation, OrganisationId, Plant, Reason, Subject};

/// One thing to do. Orders are named by (signing meter, client id).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// Puts in an order of the signing meter.
    Place(Place),
    /// Takes an order out.
    Cancel {
        /// The order's name.
        client_id: u64,
    },
    /// Makes an order smaller; it keeps its place.
    Reduce {
        /// The order's name.
        client_id: u64,
        /// By how much.
        by: Energy,
    },
    /// Gives an order a new price or energy; it keeps its place only if that is a reduction.
    Replace {
        /// The order's name.
        client_id: u64,
        /// The new limit.
        price: Price,
        /// The energy that is to be open.
        energy: Energy,
    },
    /// Takes out all orders of the signing meter.
    CancelAll,
    /// Takes out all orders of the signing meter's account: the kill switch.
    CancelAllOfAccount,
    /// The next `count` commands of the bundle are orders that are carried out all or none: each a fill-or-kill [`Place`].
    Basket {
        /// 1 to [`BASKET_ORDERS_MAX`].
        count: u16,
    },
    /// Puts in a block order of the signing meter; its parts follow.
    Block(Block),
    /// Energy of the block order before it.
    BlockPart(BlockPart),
    /// Offers a pre-arranged trade to another meter.
    Offer(Offer),
    /// Accepts another meter's offer.
    Accept(Accept),
    /// Tells the signing meter's registers at the end of a delivery period.
    Reading(Reading),
    /// Grid operator: what a meter's registers showed, in place of what is missing or wrong.
    Correction(Correction),
    /// Grid operator: what was metered at the area's edge.
    AreaReading(AreaReading),
    /// Grid operator: the area's losses are paid, though they are beyond the genesis' bound.
    AcceptLosses(AcceptLosses),
    /// Market operator: what imbalance costs in a contract.
    SetImbalancePrices(SetImbalancePrices),
    /// Claims certificates of origin for what a meter took in.
    Claim(Claim),
    /// Registrar: opens an account.
    RegisterAccount {
        /// Must be the next free number.
        account: AccountId,
        /// The organisation that it belongs to: its supplier. None if it stands for itself.
        organisation: Option<OrganisationId>,
    },
    /// Registrar: registers a meter and its key. It is settled from the first delivery period on that begins then or later.
    RegisterMeter {
        /// Must be the next free number.
        meter: MeterId,
        /// Whose it is.
        account: AccountId,
        /// The key that signs for it.
        key: PublicKey,
        /// Where it is connected.
        area: AreaId,
        /// The most its connection takes in per delivery period.
        import_max_wh: Energy,
        /// The most its connection gives out per delivery period.
        export_max_wh: Energy,
        /// What stands behind it.
        plant: Plant,
    },
    /// Registrar, or for safety the grid's operator: a meter or an organisation may not give commands until it is resumed. What a meter
    /// has open is taken back.
    Suspend {
        /// Who.
        subject: Subject,
        /// Why.
        reason: Reason,
    },
    /// Registrar, or the grid's operator where it was for safety: a meter or an organisation may give commands again.
    Resume {
        /// Who.
        subject: Subject,
        /// Why.
        reason: Reason,
    },
    /// Bank: money came in from outside.
    Deposit {
        /// For whom.
        account: AccountId,
        /// How much: positive, at most [`AMOUNT_MAX`].
        amount: Money,
    },
    /// Grid operator: an edge carries more or less in one delivery period, and what rests there is matched again.
    SetCapacity {
        /// The area below the edge.
        area: AreaId,
        /// When.
        period: DeliveryPeriod,
        /// The most that may flow up.
        up: Energy,
        /// The most that may flow down.
        down: Energy,
    },
    /// Market operator: holds a pay-as-bid round in a contract that is in its call phase (MARKET section 6).
    PayAsBid {
        /// The contract.
        contract: Contract,
    },
    /// Bank: money goes out.
    Withdraw {
        /// Whose.
        account: AccountId,
        /// How much: positive, at most [`AMOUNT_MAX`].
        amount: Money,
    },
    /// The genesis' operator, or a registrar for a supplier: enrols an organisation.
    RegisterOrganisation(NewOrganisation),
    /// A device for itself, or a registrar for one that has lost its key: from now on another key signs for it.
    RotateKey {
        /// Whose.
        subject: Subject,
        /// The new key, which nobody may ever have had before.
        key: PublicKey,
    },
    /// Registrar: a meter has a new owner. It must have nothing open and nothing unsettled.
    TransferMeter {
        /// The meter.
        meter: MeterId,
        /// The new owner's account.
        account: AccountId,
        /// Why.
        reason: Reason,
    },
    /// Registrar: a meter or an organisation may never give commands again. What a meter has open is taken back.
    Revoke {
        /// Who.
        subject: Subject,
        /// Why.
        reason: Reason,
    },
    /// Registrar: what an installer has found at a meter. But for the certificate it changes only while nothing is open and nothing
    /// unsettled.
    SetInstallation {
        /// The meter.
        meter: MeterId,
        /// What was found.
        installation: Installation,
    },
    /// Challenges an entry against the signing meter's account: within [`APPEAL_MS`](crate::conduct::APPEAL_MS), and once.
    Appeal {
        /// The entry's number.
        entry: u64,
        /// The fingerprint of the statement in which the account says why.
        statement: Hash,
    },
    /// Lets somebody read the signing meter's data until a moment.
    GrantAccess(GrantAccess),
    /// Takes back what was granted to somebody: of the signing meter, or of another one of its account.
    RevokeAccess {
        /// Whose data.
        meter: MeterId,
        /// Who may read them no more.
        reader: GrantReader,
    },
    /// Auditor: rules on an appeal.
    RuleAppeal {
        /// The entry's number.
        entry: u64,
        /// What becomes of it.
        ruling: Ruling,
        /// The fingerprint of the reasons.
        reasons: Hash,
    },
}
