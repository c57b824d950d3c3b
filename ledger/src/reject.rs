//! Why something was refused: one number, one name and one sentence for every reason, by room.
//!
//! Numbers go into records and over the wire, so they never change their meaning; a reason that falls out of use keeps its
//! number. The hundreds are the room: 1 form, 2 identity, 3 quota, 4 gate, 5 credit, 6 matching, 7 the validator set,
//! 8 evidence, 9 readings and settlement, 10 certificates of origin, 11 conduct, 12 consent, 13 debts.

use core::fmt;

use gridbook_engine::Reject;

use crate::bytes::BytesError;
use crate::evidence::EvidenceError;

/// Writes the enum and its tables from one list, so that a reason cannot be added to one of them only.
macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $number:literal, $sentence:literal;)*) => {
        /// Why a command or a bundle was refused.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u16)]
        pub enum Code {
            $($(#[$doc])* $name = $number,)*
        }

        impl Code {
            /// Every reason there is.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// Its name, as files and programs write it.
            pub fn name(self) -> &'static str {
                match self { $(Self::$name => stringify!($name),)* }
            }

            /// What is wrong and what to do about it, for a person.
            pub fn sentence(self) -> &'static str {
                match self { $(Self::$name => $sentence,)* }
            }

            /// The reason with this number, if there is one.
            pub fn from_number(number: u16) -> Option<Self> {
                match number { $($number => Some(Self::$name),)* _ => None }
            }
        }
    };
}

codes! {
    /// Over the size limit.
    FormLength = 101, "The message is longer than a bundle can be: send at most 1,024 commands in one bundle.";
    /// Ends too early.
    FormTruncated = 102, "The message ends too early: send all of its bytes.";
    /// Has bytes left over.
    FormTrailing = 103, "There are bytes after the end of the message: send exactly one bundle, without anything behind it.";
    /// A tag or flag without a meaning.
    FormTag = 104, "A field holds a value that means nothing here: check the kind of message and its flags against the format.";
    /// An unknown version of the format.
    FormVersion = 105, "The message is of a version that this ledger does not know: update the client, or ask for version 1.";
    /// A reserved field that is not zero.
    FormPadding = 106, "A field that must be zero is not: leave reserved and unused fields at zero.";
    /// Too many.
    FormCount = 107, "There are more entries than allowed: a bundle carries at most 1,024 commands.";
    /// No commands.
    FormEmpty = 108, "The bundle has no commands: put at least one into it.";
    /// All-or-none outside an auction block.
    FormAllOrNone = 109, "All-or-none exists only for block orders in auctions: use fill-or-kill, or take the flag out.";
    /// Off the tick.
    FormTick = 110, "The price is not a multiple of the tick: round it to the market's price step.";
    /// Outside the price limits.
    FormPriceLimit = 111, "The price is outside the limits of this market: choose one between its lowest and highest price.";
    /// Off the lot.
    FormLot = 112, "The energy is not a multiple of the lot: round it to the market's energy step.";
    /// No energy.
    FormZeroEnergy = 113, "The order has no energy: give it a positive amount of watt-hours.";
    /// Contradicting flags.
    FormFlags = 114, "Post-only contradicts an order that never rests: drop post-only, or let the order rest.";
    /// No such area.
    FormArea = 115, "There is no such delivery area on this ledger: look up the areas in its genesis.";
    /// An amount of money that is not positive, or absurdly large.
    FormAmount = 116, "The amount of money must be positive and at most a billion billion of currency: correct the amount.";
    /// A field with a feature that is still to come.
    FormUnsupported = 117, "The command asks for something this ledger does not offer yet: leave that field at zero.";
    /// Time that does not move forward.
    FormTime = 118, "Ledger time only moves forward: give a time later than the present one, and before the end of time.";
    /// A shown part that makes no sense.
    FormDisplay = 119, "The shown part of an order is a multiple of the lot, less than the order, and at least a thousandth of it.";
    /// The own account as the only partner.
    FormPartner = 120, "The order names its own account as its partner, and orders of one account never meet: name another.";
    /// A basket that is none.
    FormBasket = 121, "A basket holds 1 to 100 orders, each fill-or-kill: correct their number or their time in force.";
    /// A block that is none.
    FormBlock = 122, "A block order names 1 to 100 delivery periods in ascending order, each once and with energy: correct them.";
    /// No such edge.
    FormEdge = 123, "There is no edge above that area: name the area below the edge whose capacity you mean.";
    /// Too much capacity.
    FormCapacity = 124, "The capacity of an edge is at most 2^60 Wh in one delivery period: lower it.";
    /// A name that is none.
    FormName = 125, "A name has 1 to 24 bytes of UTF-8, no control characters, and no blank at either end: choose another.";
    /// A plant that cannot be.
    FormPlant = 126, "A plant has one source, and a battery an efficiency above 0 and up to 1,000,000 ppm: correct the installation.";
    /// A connection that cannot be.
    FormConnection = 127, "No connection carries more than 17 gigawatt-hours in one delivery period: register what it really carries.";

    /// The signature is not the signer's over this content.
    AuthSignature = 201, "The signature does not fit the bundle and its key: sign the exact bytes again with the device's own key.";
    /// A key that may not be registered.
    AuthKey = 202, "The public key cannot be used: it is weak, malformed, or belongs to another device already. Make a new key.";
    /// Nobody's key.
    AuthUnknownDevice = 203, "No device with this key is registered: ask a registrar to register it first.";
    /// Suspended.
    AuthSuspended = 204, "The device is suspended: ask the registrar why, and to let it in again.";
    /// A nonce that was used.
    AuthReplay = 205, "The bundle's nonce is not higher than the last one used by this device: sign again with a higher one.";
    /// For another ledger.
    AuthChain = 206, "The bundle is for another ledger: sign it with the chain id of this one.";
    /// Too late.
    AuthExpired = 207, "The bundle's expiry time has passed: sign it again with a later one.";
    /// Not allowed to do this.
    AuthRole = 208, "This key may not give that command: meters trade for themselves, and each role of an organisation has commands of its own.";
    /// A registration number that is not the next free one.
    AuthRegistry = 209, "The registration number is not the next free one: read the registry again and use the next number.";
    /// No such meter.
    AuthMeter = 210, "No meter has this registration number: look it up in the registry.";
    /// No such organisation.
    AuthOrganisation = 211, "No organisation has this registration number: look it up in the registry.";
    /// Revoked for good.
    AuthRevoked = 212, "The device or organisation is revoked, which is for good: have a new one registered, with a new key.";
    /// A key that its device no longer has.
    AuthReplaced = 213, "The device has a newer key than this one: sign with that, or ask a registrar if it was not you who changed it.";
    /// Roles that cannot be.
    AuthRoles = 214, "An organisation has at least one role, and an area if and only if it is a grid operator: correct them.";
    /// Too many organisations.
    AuthOrganisations = 215, "There are 4,096 organisations, and there cannot be more: an existing one has to do.";
    /// Nothing that would change.
    AuthStanding = 216, "The device or organisation stands that way already: there is nothing to suspend or to resume.";
    /// A reason that gives no right.
    AuthReason = 217, "A grid operator suspends and resumes for safety only: give the reason `unsafe`, or ask a registrar.";
    /// Something is open or unsettled.
    AuthOpen = 218, "The meter has open orders, offers or unsettled trades: cancel what is open, wait until the rest is settled, try again.";
    /// A claim that the plant does not back.
    AuthSource = 219, "The meter has nothing to make that energy with: sell what its plant is registered for, or the grid's mix.";
    /// Too many keys.
    AuthRotations = 220, "The device has changed its key as often as it may by itself: ask a registrar to set the next one.";
    /// Nothing to hand over.
    AuthTransfer = 221, "The meter belongs to that account already: name the account of its new owner.";
    /// A claim that no certificate can follow.
    AuthInstallation = 222, "The plant has no certificate of installation, so no origin follows its energy: sell the grid's mix, or hand one in.";
    /// Another account's data.
    AuthForeign = 230, "These data are another account's: ask with a key of its own, or have its owner let you by `gridbook meter grant`.";

    /// Too much waiting.
    QuotaBusy = 301, "The market has too much waiting at the moment: send the same bundle again in a little while.";
    /// Too fast.
    QuotaRate = 302, "This device or address sends faster than it may: slow down, or put more commands into one bundle.";

    /// Too many offers.
    QuotaOffers = 303, "This meter has too many offers of pre-arranged trades waiting: cancel some, or wait for their answers.";
    /// An answer is longer than any frame.
    QuotaAnswer = 304, "What you ask for is there but too long for one answer: ask for less of it, or for another part of it.";

    /// Not open yet.
    GateNotOpen = 401, "Trading of this delivery period has not opened yet: wait until it does.";
    /// Closed.
    GateClosed = 402, "Trading of this delivery period has ended: choose a later one.";
    /// Over on arrival.
    GateExpired = 403, "The order's good-till time has passed already: choose a later one.";
    /// Must rest, and cannot.
    GateCallPhase = 404, "The period is in its call phase: send an order that can wait for the auction, or wait until it is held.";
    /// Blocks come too late, or too early.
    GateNoCall = 405, "Block orders are taken in the call phase of all their delivery periods: choose periods that are in it.";
    /// Other areas are out of reach by now.
    GateCrossArea = 406, "Trading of this delivery period with other areas has ended: trade inside the area, or choose a later period.";

    /// Not enough money.
    CreditMoney = 501, "The account has not enough free money to cover this: deposit some, or cancel or shrink other orders.";
    /// Beyond the connection.
    CreditHeadroom = 502, "This is more than the meter's connection carries in that delivery period: lower the energy.";
    /// No such account.
    CreditAccount = 503, "No account has this registration number: look it up in the registry.";
    /// More money than there is.
    CreditCirculation = 504, "So much money cannot be in circulation: the amount is a mistake. Pay in what really came in.";

    /// Would have traded.
    MatchPostOnly = 601, "The order is post-only and would have traded at once: choose a less eager price, or drop post-only.";
    /// Could not be filled whole.
    MatchFillOrKill = 602, "Not all of the order could be filled at once: lower the energy, or let the rest wait in the book.";
    /// No such order.
    MatchUnknownOrder = 603, "This meter has no open order of that name: it was filled, cancelled, has expired or never was.";
    /// A reduction by nothing.
    MatchNothingToReduce = 604, "The reduction is by nothing: say by how many watt-hours the order should shrink.";
    /// A client id that is in use.
    MatchDuplicate = 605, "This meter has used that client id for another order already: give every order a new one.";
    /// Crosses an own order in a call phase.
    MatchSelfCross = 606, "The order crosses another one of its account, and both would meet in the auction: cancel that one first.";
    /// A trade with oneself.
    MatchSelfTrade = 607, "A pre-arranged trade needs two different accounts: correct the buyer or the seller.";
    /// Not enough capacity.
    MatchCapacity = 608, "The edges between buyer and seller have not enough capacity left: lower the energy.";
    /// Nothing more fits.
    MatchBookFull = 609, "The book of this delivery period cannot count any more orders or energy: choose another period.";
    /// Nothing wrong with it, but with another order of its basket.
    MatchBasket = 610, "Another order of this basket was refused, and a basket is carried out whole or not at all: see that order.";
    /// No such offer.
    MatchOffer = 611, "No offer of that name and these exact terms waits for this meter: ask the other party for a new one.";

    /// Made for another epoch.
    EpochNumber = 701, "The change of validators is for another epoch than the present one: propose it again from the present set.";
    /// Not 3f + 1.
    EpochSize = 702, "A validator set has 3f + 1 members, from 4 to 49: add or remove validators until it has.";
    /// A weak or malformed key.
    EpochKey = 703, "A validator of the next set has a key that is weak or malformed: make a new one with `gridbook keys generate`.";
    /// One key for two.
    EpochDuplicate = 704, "Two validators of the next set have one key, and one operator would count twice: give each its own.";
    /// Penalties that cannot be.
    EpochPenalty = 705, "The penalty list names members of the next set, each once and in order, and at most f of 3f + 1: correct it.";
    /// Signed by a stranger.
    EpochSigner = 706, "A signer of the change is not in the present validator set: only its members may sign.";
    /// Too few signatures.
    EpochQuorum = 707, "Fewer than 2f + 1 members of the present set have signed the change: gather more approvals.";
    /// A bad signature.
    EpochSignature = 708, "A signature of the change is not its signer's over exactly this next set: have it signed again.";

    /// No evidence at all.
    EvidenceForm = 801, "These bytes are no evidence: hand in a file as `gridbook evidence --out` or `meter order --sequenced` wrote it.";
    /// Over the size limit.
    EvidenceLength = 802, "Evidence has at most 255 KiB: leave out whatever does not belong to the two statements.";
    /// Validators that are not known.
    EvidenceEpoch = 803, "The evidence is of two epochs, or of one whose validators are not known here: ask a validator that is further on.";
    /// Of another ledger.
    EvidenceChain = 804, "A statement in the evidence is of another ledger: hand it in there.";
    /// Two signers.
    EvidenceSigners = 805, "The two statements are of two validators: only two of one and the same signer prove anything against it.";
    /// Of nobody.
    EvidenceStranger = 806, "The statements are of nobody who was a validator in that epoch: evidence is against validators only.";
    /// Nothing wrong with them.
    EvidenceCompatible = 807, "The two statements do not contradict each other in the way that is claimed: an honest validator may make both.";
    /// The wrong way round.
    EvidenceOrder = 808, "The two statements of the evidence are not in their canonical order: let them change places.";
    /// A bad signature.
    EvidenceSignature = 809, "A statement is not signed on this ledger by the validator that it names, so that it proves nothing against it.";
    /// No room for old evidence.
    EvidenceOld = 810, "So much newer misconduct is proven that evidence of that epoch is not kept here any more: it stays good in your file.";
    /// See the text.
    EvidenceEntered = 811, "This was entered against the validator already: one entry of each kind counts in an epoch, and nothing is added.";
    /// A place beyond them.
    EvidencePlace = 812, "The leader gave its word on fewer places than that: count the commands of its bundle from 0 to one less than there are.";

    /// Less than before.
    MeterBackwards = 901, "A register shows less than at the end of the period before: read the meter again, or have it exchanged.";
    /// More than possible.
    MeterBeyond = 902, "More energy than the connection carries in one delivery period: read again, and have the meter checked.";
    /// The same reading again, for another period.
    MeterFrozen = 903, "Registers and counter are those of the period before: the meter has stopped, or an old reading was sent again.";
    /// Taken already.
    MeterTwice = 904, "These registers are known for that delivery period already: nothing needs to be sent again.";
    /// Taken already, and other ones.
    MeterContradiction = 905, "Other registers were read for that period already, and the first stand: only the area's operator may correct them.";
    /// Too early.
    MeterFuture = 906, "That delivery period has not ended yet: read the registers at its end, and send them then.";
    /// Not the sender's.
    MeterForeign = 907, "A meter tells its own registers only: corrections are made by the grid operator of its area.";
    /// Too late.
    MeterLate = 908, "The deadline for readings of that delivery period has passed: ask the grid operator of the area to correct it.";
    /// Much too late.
    MeterFinal = 909, "That delivery period is final and nothing of it can be changed any more: settle the difference outside.";
    /// No meters here.
    MeterUnread = 910, "This ledger counts every trade as delivered and reads no meters: see `settlement` in its genesis.";
    /// Would pay for imbalance.
    MeterPriceOrder = 911, "Missing energy must cost at least what energy too much brings: raise the short price or lower the long one.";
    /// Not covered.
    MeterPriceBounds = 912, "An imbalance price is beyond the bounds in the genesis, which collateral covers: choose one between them.";
    /// Not at this moment.
    MeterSettling = 913, "That delivery period is being settled, by what was known at its deadline: corrections can be made when that is done.";
    /// More lost than can be.
    MeterLosses = 914, "With this the losses of the area, or of the one above it, would be out of bounds: check all readings of their edges.";

    /// Nothing to accept.
    MeterNoLosses = 915, "No losses of that area wait to be accepted: it is not frozen for them in that delivery period. See its report.";
    /// Not so much.
    MeterOtherLosses = 916, "The losses of that area are another amount than the one accepted: see its report, and accept what it tells.";
    /// Of before it was there.
    MeterTooEarly = 917, "That period had begun before the meter was registered: its first reading is at the end of the period in which it was registered.";

    /// No certificates.
    OriginRange = 1001, "There are no such certificates: a range has at least one of them, and numbers begin at 1.";
    /// Not his to claim.
    OriginHolder = 1002, "Your account does not hold all of these as one active range: name a range, or a part of one, as your records tell it.";
    /// Not at this moment.
    OriginPeriod = 1003, "The delivery period is not certified yet, or final already: claim when it is settled and before it is final.";
    /// Not his consumption.
    OriginMeter = 1004, "Certificates stand for what a meter of their own account delivered or took in then: name one of your meters.";
    /// More than was taken in.
    OriginImport = 1005, "The meter has not measurably taken in so much that no certificates stand for: claim less, or for another of your meters.";

    /// No such entry.
    ConductUnknown = 1101, "No entry of this number is kept: it is over, or never was. Look up what stands against your account.";
    /// Against another account.
    ConductOther = 1102, "The entry is against another account: only a meter of the account that bears it may appeal.";
    /// Challenged before.
    ConductChallenged = 1103, "An appeal against this entry was made before: an account appeals once against each, and a ruling is final.";
    /// Too late.
    ConductLate = 1104, "The time to appeal against this entry is over: it is 14 days of ledger time, from the entry on.";
    /// Nothing to rule on.
    ConductNoAppeal = 1105, "No appeal against this entry is open: only its account can make one, and each is ruled on once.";

    /// Another meter's data.
    ConsentForeign = 1201, "A meter grants access to its own data only, and takes it back for its account's meters: sign with the right key.";
    /// Nobody to grant anything to.
    ConsentReader = 1202, "Access is granted to an enrolled organisation that is not revoked, or to a key that is not weak: correct the reader.";
    /// Over already, or too long.
    ConsentUntil = 1203, "A grant ends later than now, and at most 400 days of ledger time ahead: choose a moment between the two.";
    /// Too many readers.
    ConsentFull = 1204, "The meter has 32 readers already: take access back from one of them before you let in another.";
    /// Nothing to take back.
    ConsentUnknown = 1205, "The meter has granted that reader nothing, or it was taken back already: look up the grants that it has.";
    /// Over.
    ConsentExpired = 1206, "The owner's grant is over, at this moment or since a while: ask the owner to grant access again, for longer.";
    /// Not so much.
    ConsentScope = 1207, "The owner has granted you something else of this meter and not these data: ask the owner to grant them too.";

    /// It owes for what it sold.
    DebtOrder = 1301, "The account owes for energy it sold and did not deliver: pay in what `gridbook meter account` tells, then order again.";
    /// It owes for what it sold.
    DebtWithdrawal = 1302, "The account owes for energy it sold and did not deliver: what comes in pays that first. See `gridbook meter account`.";
}

impl Code {
    /// Its number, as records and the wire carry it.
    pub fn number(self) -> u16 {
        self as u16
    }
}

impl fmt::Display for Code {
    /// Its name and its sentence.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name(), self.sentence())
    }
}

impl core::error::Error for Code {}

impl From<Reject> for Code {
    fn from(reject: Reject) -> Self {
        match reject {
            Reject::FormDisplay => Self::FormDisplay,
            Reject::FormPartner => Self::FormPartner,
            Reject::FormBasket => Self::FormBasket,
            Reject::FormBlock => Self::FormBlock,
            Reject::FormEdge => Self::FormEdge,
            Reject::FormCapacity => Self::FormCapacity,
            Reject::GateCallPhase => Self::GateCallPhase,
            Reject::GateNoCall => Self::GateNoCall,
            Reject::GateCrossArea => Self::GateCrossArea,
            Reject::MatchSelfCross => Self::MatchSelfCross,
            Reject::MatchSelfTrade => Self::MatchSelfTrade,
            Reject::MatchCapacity => Self::MatchCapacity,
            Reject::MatchBookFull => Self::MatchBookFull,
            Reject::MatchDuplicate => Self::MatchDuplicate,
            Reject::FormTick => Self::FormTick,
            Reject::FormPriceLimit => Self::FormPriceLimit,
            Reject::FormLot => Self::FormLot,
            Reject::FormZeroEnergy => Self::FormZeroEnergy,
            Reject::FormFlags => Self::FormFlags,
            Reject::FormArea => Self::FormArea,
            Reject::GateNotOpen => Self::GateNotOpen,
            Reject::GateClosed => Self::GateClosed,
            Reject::GateExpired => Self::GateExpired,
            Reject::MatchPostOnly => Self::MatchPostOnly,
            Reject::MatchFillOrKill => Self::MatchFillOrKill,
            Reject::MatchUnknownOrder => Self::MatchUnknownOrder,
            Reject::MatchNothingToReduce => Self::MatchNothingToReduce,
            Reject::CreditMoney => Self::CreditMoney,
            Reject::CreditHeadroom => Self::CreditHeadroom,
        }
    }
}

impl From<BytesError> for Code {
    fn from(error: BytesError) -> Self {
        match error {
            BytesError::Truncated => Self::FormTruncated,
            BytesError::Trailing => Self::FormTrailing,
            BytesError::Unknown => Self::FormTag,
            BytesError::Padding => Self::FormPadding,
            BytesError::TooLong => Self::FormCount,
            BytesError::Amount => Self::FormAmount,
        }
    }
}

impl From<EvidenceError> for Code {
    fn from(error: EvidenceError) -> Self {
        match error {
            EvidenceError::Epoch { .. } => Self::EvidenceEpoch,
            EvidenceError::Chain => Self::EvidenceChain,
            EvidenceError::Signers(..) => Self::EvidenceSigners,
            EvidenceError::Stranger => Self::EvidenceStranger,
            EvidenceError::Compatible => Self::EvidenceCompatible,
            EvidenceError::Order => Self::EvidenceOrder,
            EvidenceError::Signature => Self::EvidenceSignature,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// A support desk is given a number, a name or a sentence: each must lead to one reason.
    #[test]
    fn every_code_has_its_own_name_number_and_sentence() {
        let numbers: BTreeSet<_> = Code::ALL.iter().map(|code| code.number()).collect();
        let names: BTreeSet<_> = Code::ALL.iter().map(|code| code.name()).collect();
        let sentences: BTreeSet<_> = Code::ALL.iter().map(|code| code.sentence()).collect();
        assert_eq!(numbers.len(), Code::ALL.len());
        assert_eq!(names.len(), Code::ALL.len());
        assert_eq!(sentences.len(), Code::ALL.len());
    }

    /// "invalid input" helps nobody: the sentence says what is wrong and what to do.
    #[test]
    fn every_sentence_is_long_enough_to_help_and_ends_properly() {
        for code in Code::ALL {
            let sentence = code.sentence();
            assert!((50..=160).contains(&sentence.len()), "{}: {} bytes", code.name(), sentence.len());
            assert!(sentence.ends_with('.') && sentence.starts_with(char::is_uppercase), "{}", code.name());
        }
    }

    /// A record is read back years later: the number still finds its reason, and other numbers find none.
    #[test]
    fn numbers_lead_back_to_their_code_and_no_other_number_does() {
        for number in 0..=u16::MAX {
            if let Some(code) = Code::from_number(number) {
                assert_eq!(code.number(), number);
            }
        }
        assert_eq!((0..=u16::MAX).filter_map(Code::from_number).count(), Code::ALL.len());
    }

    /// The room is in the number and in the name: they must not contradict each other.
    #[test]
    fn the_hundreds_digit_is_the_room_in_the_name() {
        for code in Code::ALL {
            let room = match code.number() / 100 {
                1 => "Form",
                2 => "Auth",
                3 => "Quota",
                4 => "Gate",
                5 => "Credit",
                6 => "Match",
                7 => "Epoch",
                8 => "Evidence",
                9 => "Meter",
                10 => "Origin",
                11 => "Conduct",
                12 => "Consent",
                13 => "Debt",
                other => panic!("no room {other}"),
            };
            assert!(code.name().starts_with(room), "{}", code.name());
        }
    }

    /// The engine and the ledger name a reason alike.
    #[test]
    fn the_engines_reasons_keep_their_names() {
        for reject in [
            Reject::FormDisplay,
            Reject::FormPartner,
            Reject::FormBasket,
            Reject::FormBlock,
            Reject::FormEdge,
            Reject::FormCapacity,
            Reject::GateCallPhase,
            Reject::GateNoCall,
            Reject::GateCrossArea,
            Reject::MatchSelfCross,
            Reject::MatchSelfTrade,
            Reject::MatchCapacity,
            Reject::MatchBookFull,
            Reject::MatchDuplicate,
            Reject::FormTick,
            Reject::FormPriceLimit,
            Reject::FormLot,
            Reject::FormZeroEnergy,
            Reject::FormFlags,
            Reject::FormArea,
            Reject::GateNotOpen,
            Reject::GateClosed,
            Reject::GateExpired,
            Reject::MatchPostOnly,
            Reject::MatchFillOrKill,
            Reject::MatchUnknownOrder,
            Reject::MatchNothingToReduce,
            Reject::CreditMoney,
            Reject::CreditHeadroom,
        ] {
            assert_eq!(format!("{reject:?}"), Code::from(reject).name());
        }
    }
}
