//! Snapshots that come from somebody who lies, and those that do not.

use gridbook_engine::{AccountId, AreaId, Contract, MarketRules};

use super::*;
use crate::conduct::{DeliveryWindow, DeviceFault, Entry, Fault, Judgement, Proof, Sale, ShareRules};
use crate::consent::{Grant, GrantReader, Scope, grants_hash};
use crate::crypto::SecretKey;
use crate::entry::Entry as LogEntry;
use crate::evidence::EvidenceKind;
use crate::genesis::{Area, AreaEdge};
use crate::origin::CertificateRange;
use crate::registry::{OrganisationId, OrganisationName, Role, Roles, Subject};
use crate::settlement::{Delivery, Quality, Registers, Residual};
use crate::state::image::{CertificatesImage, CertifiedImage, IssuerImage};
use crate::state::tables::{Access, AreaIncome, AreaStage, ContractRow, DeliveryRow, MeterFacts, MeterStatus};
use crate::state::tables::{ReadingRow, Stage, TradeRow};

fn genesis() -> Genesis {
    let key = |number| SecretKey::from_seed([number; 32]).public();
    let (up, down, fee_up, fee_down) = (Energy(10), Energy(10), Price(0), Price(0));
    let edge = AreaEdge { parent: AreaId(0), up, down, fee_up, fee_down };
    Genesis {
        name: "Testdorf".into(),
        ledger_start: LedgerTime(1),
        wall_start_ms: 0,
        time_scale: 1,
        rules: MarketRules::default(),
        settlement: crate::genesis::SettlementRules::default(),
        areas: vec!["north".into(), Area { name: "feeder".into(), edge: Some(edge) }],
        operator: key(9),
        validators: ValidatorSet::new((0..4).map(key).collect()).unwrap(),
    }
}

/// The only meter of the only account.
fn facts() -> MeterFacts {
    MeterFacts {
        account: AccountId(0),
        key: SecretKey::from_seed([40; 32]).public(),
        area: AreaId(0),
        first_period: DeliveryPeriod(0),
        import_max: Energy(1),
        export_max: Energy(1),
        plant: crate::registry::Plant::NONE,
        certificate: Hash::ZERO,
    }
}

fn forged(forge: impl FnOnce(&mut StateImage)) -> Vec<u8> {
    let mut image = State::genesis(&genesis()).image();
    forge(&mut image);
    image::encode(&image)
}

fn refused(forge: impl FnOnce(&mut StateImage)) -> RestoreError {
    State::restore(&genesis(), &forged(forge)).unwrap_err()
}

/// A stranger's snapshot is well formed, but its amounts are chosen so that adding them up overflows.
#[test]
fn forged_amounts_are_refused_before_they_are_added_up() {
    let shares = ShareRules::default();
    let fresh = AccountImage::from(&Account::new(&shares));
    let forged = |balance| AccountImage { balance, reserved: -balance, ..fresh.clone() };
    for balance in [i128::MAX, i128::MIN + 1, 1 << 101] {
        let error = refused(|image| image.accounts.extend([forged(balance), forged(balance)]));
        assert_eq!(error, RestoreError::Row("an absurd amount of money"));
    }
}

/// Each forged row points to something that is not there, or stands where it must not.
#[test]
fn forged_rows_are_refused() {
    let period = |period| PeriodImage::new(DeliveryPeriod(period), &PeriodTable::default());
    let name = NameImage { meter: 0, client_id: 1 };
    assert_eq!(
        refused(|image| image.rest.periods = vec![period(2), period(2)]),
        RestoreError::Row("the order of periods")
    );
    assert_eq!(
        refused(|image| image.rest.periods = vec![PeriodImage { names: vec![name], ..period(2) }]),
        RestoreError::Row("a period's names")
    );
    let (buyer, seller) = (MeterId(3), MeterId(4));
    let (buyer_pays, seller_gets, buyer_before, seller_before) = (Price(1), Price(1), 0, 0);
    let energy = Energy(5);
    let sources = gridbook_engine::EnergySources::from_bits(1).unwrap();
    let trade =
        TradeRow { seq: 1, energy, buyer, seller, buyer_pays, seller_gets, sources, buyer_before, seller_before };
    assert_eq!(
        refused(|image| image.rest.periods = vec![PeriodImage { trades: vec![trade], ..period(2) }]),
        RestoreError::Row("a period's trades")
    );
    let contracts = |row: ContractRow| vec![(0, row)];
    let unfair = ContractRow { prices: Some((Price(-1), Price(1))), ..ContractRow::default() };
    assert_eq!(
        refused(|image| image.rest.periods = vec![PeriodImage { contracts: contracts(unfair), ..period(2) }]),
        RestoreError::Row("a contract's imbalance prices")
    );
    let owing = ContractRow { imbalance: Money(3), ..ContractRow::default() };
    assert_eq!(
        refused(|image| image.rest.periods = vec![PeriodImage { contracts: contracts(owing), ..period(2) }]),
        RestoreError::Audit(AuditError::Imbalance { holds: Money(0), theirs: Money(3) })
    );
    assert_eq!(
        refused(|image| image.rest.periods = vec![PeriodImage { stage: Stage::Paying(7), ..period(2) }]),
        RestoreError::Row("a period's stage"),
        "it has not ended"
    );
    let registers = Registers { import: 1, export: 1, counter: 1 };
    let registers = vec![(0, ReadingRow { registers, record: 1 })];
    assert_eq!(
        refused(|image| image.rest.readings = vec![ReadingsImage { period: 1, registers }]),
        RestoreError::Row("a period's readings")
    );
    assert_eq!(
        refused(|image| image.rest.imports = vec![ImportsImage { period: 1, imports: vec![5] }]),
        RestoreError::Row("a period's imports")
    );
    assert_eq!(refused(|image| image.rest.corrections = vec![(1, 0)]), RestoreError::Row("a correction"));
    assert_eq!(
        refused(|image| image.rest.periods = vec![PeriodImage { cleared: 5, ..period(2) }]),
        RestoreError::Audit(AuditError::Clearing { holds: Money(5), owes: Money(0) })
    );
    let another = |image: &mut StateImage| {
        (image.rest.epoch, image.rest.validators_before) = (1, Some(image.rest.validators.clone()));
    };
    let set = |image: &mut StateImage| {
        let keys = (5..9).map(|number| SecretKey::from_seed([number; 32]).public());
        image.rest.validators = ValidatorSet::new(keys.collect()).unwrap();
    };
    assert!(State::restore(&genesis(), &forged(another)).is_ok(), "the epochs between are for others to prove");
    assert_eq!(refused(set), RestoreError::Row("the validators"));
    assert_eq!(refused(|image| image.rest.epoch = 1), RestoreError::Row("the validators"), "none of the epoch before");
    let before = |image: &mut StateImage| {
        set(image);
        image.rest.validators_before = Some(image.rest.validators.clone());
    };
    assert_eq!(refused(before), RestoreError::Row("the validators"), "before the first");
    let other_first = |image: &mut StateImage| {
        before(image);
        image.rest.epoch = 1;
    };
    assert_eq!(refused(other_first), RestoreError::Row("the validators"), "the first were others");
    assert_eq!(refused(|image| image.rest.now += 1), RestoreError::Audit(AuditError::Time));
    assert_eq!(refused(|image| image.rest.system.truncate(1)), RestoreError::Row("the system's accounts"));
}

/// Organisations that share a key or have an area that they must not have, keys that were replaced and are not, and accounts of nobody.
#[test]
fn forged_rows_of_the_registry_are_refused() {
    let key = |number| SecretKey::from_seed([number; 32]).public();
    let supplier = |number| OrganisationImage {
        key: key(number),
        name: OrganisationName::new("Stadtwerke").unwrap(),
        roles: Roles::of(Role::Supplier),
        area: None,
        access: Access::default(),
        history: Hash::ZERO,
    };
    let organisations = |rows: Vec<OrganisationImage>| refused(|image| image.rest.organisations = rows);
    let bad = RestoreError::Row("an organisation");
    assert!(State::restore(&genesis(), &forged(|image| image.rest.organisations = vec![supplier(1)])).is_ok());
    assert_eq!(organisations(vec![supplier(1), supplier(1)]), bad);
    assert_eq!(organisations(vec![supplier(9)]), bad, "the operator's key");
    assert_eq!(organisations(vec![OrganisationImage { area: Some(AreaId(0)), ..supplier(1) }]), bad);
    assert_eq!(organisations(vec![OrganisationImage { roles: Roles::NONE, ..supplier(1) }]), bad);
    let grid = OrganisationImage { roles: Roles::of(Role::GridOperator), ..supplier(1) };
    assert_eq!(organisations(vec![OrganisationImage { area: Some(AreaId(2)), ..grid.clone() }]), bad);
    assert_eq!(organisations(vec![grid]), bad);
    let subject = Subject::Organisation(OrganisationId(0));
    let replaced = |number, subject| ReplacedKeyImage { key: key(number), subject };
    let keys = |rows: Vec<ReplacedKeyImage>| {
        refused(|image| (image.rest.organisations, image.rest.replaced_keys) = (vec![supplier(1)], rows))
    };
    assert_eq!(keys(vec![replaced(1, subject)]), RestoreError::Row("a replaced key"));
    assert_eq!(keys(vec![replaced(9, subject)]), RestoreError::Row("a replaced key"));
    assert_eq!(keys(vec![replaced(2, Subject::Meter(MeterId(0)))]), RestoreError::Row("a replaced key"));
    let twice = vec![replaced(2, subject), replaced(2, subject)];
    assert_eq!(keys(twice), RestoreError::Row("the order of replaced keys"));
    let fresh = AccountImage::from(&Account::new(&ShareRules::default()));
    let of_nobody = AccountImage { organisation: Some(OrganisationId(0)), ..fresh };
    assert_eq!(refused(|image| image.accounts.push(of_nobody)), RestoreError::Row("an account's organisation"));
}

/// What a meter was that is not there, what it was until a period that is yet to come, and rows that stand there twice.
#[test]
fn forged_former_facts_are_refused() {
    let (plant, certificate) = (crate::registry::Plant::NONE, Hash::ZERO);
    let installation =
        crate::registry::Installation { plant, import_max: Energy(1), export_max: Energy(1), certificate };
    let row = |meter, last| FormerImage { meter, last, account: 0, installation };
    let rows = |rows: Vec<FormerImage>| refused(|image| image.rest.former_facts = rows);
    assert_eq!(rows(vec![row(0, 0)]), RestoreError::Row("what a meter was"));
    assert_eq!(rows(vec![row(0, 1), row(0, 1)]), RestoreError::Row("the order of former facts"));
    assert_eq!(rows(vec![row(1, 0), row(0, 1)]), RestoreError::Row("the order of former facts"));
}

/// Entries out of order or against nobody, a score that nothing stands behind, a window of a meter that is not there.
#[test]
fn forged_conduct_is_refused() {
    let device = |account, meter| {
        let (kind, proof) = (DeviceFault::NonceReuse, Proof::of(&[1, 2]).unwrap());
        let fault = Fault::Device { account: AccountId(account), meter: MeterId(meter), kind, period: None, proof };
        Entry::new(fault, LedgerTime(1))
    };
    let key = SecretKey::from_seed([0; 32]).public();
    let (kind, evidence) = (EvidenceKind::DoubleVote, Hash([5; 32]));
    let against_validator = Entry::new(Fault::Validator { key, kind, epoch: 0, view: 3, evidence }, LedgerTime(1));
    let entries = |last, entries: Vec<(u64, Entry)>| {
        forged(|image| image.rest.conduct = ConductImage { last, entries, windows: vec![], accused: vec![] })
    };
    let refused_entries = |bytes: Vec<u8>| State::restore(&genesis(), &bytes).unwrap_err();
    let order = RestoreError::Row("the order of conduct");
    assert!(State::restore(&genesis(), &entries(7, vec![(3, against_validator), (7, against_validator)])).is_ok());
    assert_eq!(refused_entries(entries(7, vec![(3, against_validator), (3, against_validator)])), order);
    assert_eq!(refused_entries(entries(2, vec![(3, against_validator)])), order);
    assert_eq!(refused_entries(entries(2, vec![(0, against_validator)])), order);
    assert_eq!(refused_entries(entries(1, vec![(1, device(0, 0))])), RestoreError::Row("an entry's bearer"));
    let shares = ShareRules::default();
    let account = AccountImage { score: 980, ..AccountImage::from(&Account::new(&shares)) };
    let without_reason = refused(|image| image.accounts.push(account));
    assert_eq!(without_reason, RestoreError::Audit(AuditError::Score(AccountId(0))));
    let sale = Sale { period: DeliveryPeriod(1), sold: Energy(2), delivered: Energy(0), record: 1 };
    let Judgement::Watched(window) = DeliveryWindow::judge(None, &sale) else { panic!() };
    let windows = |windows: Vec<u32>| {
        let windows = windows.into_iter().map(|meter| (meter, window)).collect();
        refused(|image| image.rest.conduct.windows = windows)
    };
    assert_eq!(windows(vec![0]), RestoreError::Row("a window's meter"));
    assert_eq!(windows(vec![1, 0]), RestoreError::Row("the order of conduct"));
}

/// Failures of a meter that is not there, of one that sold nothing, and one that is remembered of a period in which none was counted.
#[test]
fn forged_failures_are_refused() {
    let sale = Sale { period: DeliveryPeriod(1), sold: Energy(2), delivered: Energy(0), record: 1 };
    let Judgement::Watched(window) = DeliveryWindow::judge(None, &sale) else { panic!() };
    let with = |failed: Vec<u32>, windows: Vec<(u32, DeliveryWindow)>| {
        let bytes = forged(|image| {
            image.accounts.push(AccountImage::from(&Account::new(&ShareRules::default())));
            image.meters.push(MeterImage::new(&facts(), &MeterStatus::default()));
            let period = PeriodImage::new(DeliveryPeriod(1), &PeriodTable::default());
            image.rest.periods = vec![PeriodImage { failed, ..period }];
            image.rest.conduct.windows = windows;
        });
        State::restore(&genesis(), &bytes).err()
    };
    let audit = Some(RestoreError::Audit(AuditError::Failure(MeterId(0), DeliveryPeriod(1))));
    assert_eq!(with(vec![], vec![]), None);
    assert_eq!(with(vec![1], vec![]), Some(RestoreError::Row("a period's failures")));
    assert_eq!(with(vec![0], vec![]), audit, "it has sold nothing");
    assert_eq!(with(vec![], vec![(0, window)]), audit, "it is remembered, and was not counted");
}

/// A meter that is yet to be registered, and one that is read, and settled, in a period that had begun before it was.
#[test]
fn forged_first_periods_are_refused() {
    let (first, of) = (DeliveryPeriod(6), |period| PeriodImage::new(DeliveryPeriod(period), &PeriodTable::default()));
    let with = |first_period, forge: &dyn Fn(&mut RestImage)| {
        let mut state = State::genesis(&genesis());
        state.apply(1, &LogEntry::Time(first.starts_at(15)), &mut Vec::new());
        let mut image = state.image();
        image.accounts.push(AccountImage::from(&Account::new(&ShareRules::default())));
        image.meters.push(MeterImage::new(&MeterFacts { first_period, ..facts() }, &MeterStatus::default()));
        forge(&mut image.rest);
        State::restore(&genesis(), &image::encode(&image)).err()
    };
    assert_eq!(with(first, &|_| ()), None);
    let yet_to_come = Some(RestoreError::Row("a meter that is yet to be registered"));
    assert_eq!(with(DeliveryPeriod(7), &|_| ()), yet_to_come);
    let read = |period| {
        let registers = Registers { import: 1, export: 1, counter: 1 };
        let row = ReadingsImage { period, registers: vec![(0, ReadingRow { registers, record: 1 })] };
        with(first, &|rest| rest.readings = vec![row.clone()])
    };
    let early = |period| Some(RestoreError::Audit(AuditError::TooEarly(MeterId(0), DeliveryPeriod(period))));
    assert_eq!((read(5), read(4)), (None, early(4)), "the end of one period is the start of the next");
    let settled = |period| {
        let (account, delivery, quality) = (AccountId(0), Delivery::default(), Quality::AsTraded);
        let deliveries = vec![(0, DeliveryRow { account, delivery, quality })];
        let row = PeriodImage { stage: Stage::Settled, deliveries, ..of(period) };
        with(DeliveryPeriod(5), &|rest| rest.periods = vec![row.clone()])
    };
    assert_eq!((settled(5), settled(4)), (None, early(4)));
}

/// Grants out of order or to nobody, of a meter that is not there, and grants that the meter's row knows nothing of.
#[test]
fn forged_grants_are_refused() {
    let grant = Grant { scope: Scope::ALL, until: LedgerTime(9) };
    let by_key = |seed| GrantReader::Key(SecretKey::from_seed([seed; 32]).public());
    let refused = |grants: Vec<(u32, GrantReader, Grant)>, hash: Hash| {
        let status = MeterStatus { grants: hash, ..MeterStatus::default() };
        let bytes = forged(|image| {
            image.accounts.push(AccountImage::from(&Account::new(&ShareRules::default())));
            image.meters.push(MeterImage::new(&facts(), &status));
            image.rest.consent = ConsentImage(grants);
        });
        State::restore(&genesis(), &bytes).err()
    };
    let reader = by_key(41);
    let good = grants_hash([(&reader, &grant)].into_iter());
    assert_eq!(refused(vec![(0, reader, grant)], good), None);
    let audit = Some(RestoreError::Audit(AuditError::Consent(MeterId(0))));
    assert_eq!(refused(vec![(0, reader, grant)], Hash::ZERO), audit);
    assert_eq!(refused(vec![], good), audit);
    assert_eq!(refused(vec![(0, reader, Grant { scope: Scope::CONDUCT, ..grant })], good), audit);
    let order = Some(RestoreError::Row("the order of grants"));
    assert_eq!(refused(vec![(0, reader, grant), (0, reader, grant)], good), order);
    let row = Some(RestoreError::Row("a grant's meter or reader"));
    assert_eq!(refused(vec![(1, reader, grant)], good), row);
    let nobody = GrantReader::Organisation(OrganisationId(0));
    assert_eq!(refused(vec![(0, nobody, grant)], grants_hash([(&nobody, &grant)].into_iter())), row);
    let mut many: Vec<_> = (50..83).map(|seed| (0, by_key(seed), grant)).collect();
    many.sort_unstable_by_key(|(_, reader, _)| *reader);
    let hash = grants_hash(many.iter().map(|(_, reader, grant)| (reader, grant)));
    assert_eq!(refused(many, hash), audit, "one more than a meter may have");
}

/// Certificates out of nothing: counts that do not add up or have none behind them, of an area that is not there; a plant that nobody
/// has, and a period that nobody settled.
#[test]
fn forged_certificates_are_refused() {
    let issuer = |area, counts| refused(|image| image.rest.issuers = vec![IssuerImage { area, counts }]);
    assert_eq!(issuer(0, [5, 4, 0, 0, 0]), RestoreError::Row("an issuer"));
    assert_eq!(issuer(9, [0; 5]), RestoreError::Row("an issuer"));
    assert_eq!(issuer(0, [5, 5, 0, 0, 0]), RestoreError::Audit(AuditError::Certificates(AreaId(0))));
    let used_up = IssuerImage { area: 0, counts: [5, 0, 2, 2, 1] };
    assert!(State::restore(&genesis(), &forged(|image| image.rest.issuers = vec![used_up])).is_ok());
    let twice = vec![used_up, used_up];
    assert_eq!(refused(|image| image.rest.issuers = twice), RestoreError::Bytes, "one area, two counts");
    let table = |next_plant, rows| {
        refused(|image| image.rest.certificates = vec![CertificatesImage { period: 5, next_plant, round: 0, rows }])
    };
    assert_eq!(table(1, vec![]), RestoreError::Row("a period's certificates"));
    let rounds = |round, rows| {
        refused(|image| image.rest.certificates = vec![CertificatesImage { period: 5, next_plant: 0, round, rows }])
    };
    assert_eq!(rounds(u32::MAX, vec![]), RestoreError::Row("a period's certificates"), "no round comes after it");
    let range = CertificateRange::new(AreaId(0), 1, Energy(5)).unwrap();
    let row = CertifiedImage { range, plant: 0, source: 1, holder: 0, account: 0, state: 1, of: 0, round: 0 };
    assert_eq!(table(0, vec![row]), RestoreError::Row("a certificate"));
    let waits = |round| CertifiedImage { state: 0, round, ..row };
    assert_eq!(rounds(3, vec![waits(4)]), RestoreError::Row("a certificate"), "it waits for the next round");
    assert_eq!(rounds(3, vec![waits(5)]), RestoreError::Row("a period's certificates"), "it waits for another");
    assert_eq!(table(0, vec![]), RestoreError::Audit(AuditError::CertificatesOf(DeliveryPeriod(5))));
}

/// A virtual meter that shows something where no meter is read, or other energy than the area's meters gave, or of a period that is
/// not settled; and energies beyond all numbers.
#[test]
fn forged_residuals_are_refused() {
    let of = |stage, residual| {
        let row = ContractRow { stage: AreaStage::Settled { residual }, ..ContractRow::default() };
        let mut state = State::genesis(&genesis());
        state.apply(1, &LogEntry::Time(DeliveryPeriod(6).starts_at(15)), &mut Vec::new());
        let mut image = state.image();
        let period = PeriodImage::new(DeliveryPeriod(5), &PeriodTable::default());
        image.rest.periods = vec![PeriodImage { stage, contracts: vec![(0, row)], ..period }];
        image::encode(&image)
    };
    let contract = Contract { area: AreaId(0), period: DeliveryPeriod(5) };
    let refused = |stage, residual| State::restore(&genesis(), &of(stage, residual)).unwrap_err();
    let none = Residual::default();
    assert!(State::restore(&genesis(), &of(Stage::Settled, none)).is_ok());
    assert_eq!(refused(Stage::Open, none), RestoreError::Audit(AuditError::Sums(contract)));
    let wrong = RestoreError::Audit(AuditError::Residual(contract));
    assert_eq!(refused(Stage::Settled, Residual { net_wh: 1, sent_up_wh: 1, ..none }), wrong);
    assert_eq!(refused(Stage::Settled, Residual::new(0, 0, true, Some(0))), wrong);
    assert_eq!(refused(Stage::Settled, Residual { below_wh: 1 << 99, ..none }), wrong);
    // Beyond all amounts, it is not even read.
    let absurd = RestoreError::from(BytesError::Amount);
    assert_eq!(refused(Stage::Settled, Residual { below_wh: i128::MAX, ..none }), absurd);
}

/// An account owes what nobody has paid for it, or somebody who is not there does, or it has the money to pay; and nobody is told to owe nothing.
#[test]
fn forged_debts_are_refused() {
    let refused = |balance: i128, paid: i128, debts: Vec<(u32, i128)>| {
        let bytes = forged(|image| {
            let account = AccountImage::from(&Account::new(&ShareRules::default()));
            image.accounts.push(AccountImage { balance, ..account });
            image.rest.system[SystemAccount::Default as usize].balance = -paid;
            image.rest.system[SystemAccount::Upstream as usize].balance = paid;
            image.rest.system[SystemAccount::Issuer as usize].balance = -balance;
            image.rest.debts = debts;
        });
        State::restore(&genesis(), &bytes).err()
    };
    assert_eq!(refused(0, 7, vec![(0, 7)]), None);
    let row = Some(RestoreError::Row("what accounts owe"));
    assert_eq!(refused(0, 7, vec![(1, 7)]), row);
    assert_eq!(refused(0, 7, vec![(0, 3), (0, 4)]), row);
    assert_eq!(refused(0, 0, vec![(0, 0)]), row);
    assert_eq!(refused(0, -7, vec![(0, -7)]), row);
    let audit = |error| Some(RestoreError::Audit(error));
    assert_eq!(refused(0, 7, vec![(0, 6)]), audit(AuditError::Default { paid: Money(7), owed: Money(6) }));
    assert_eq!(refused(0, 7, vec![]), audit(AuditError::Default { paid: Money(7), owed: Money(0) }));
    assert_eq!(refused(5, 7, vec![(0, 7)]), audit(AuditError::Debt(AccountId(0))));
    let absurd = Some(RestoreError::Row("an absurd amount of money"));
    assert_eq!(refused(0, 0, vec![(0, i128::MAX)]), absurd);
}

/// Blocks and offers that nobody made, areas that are not there, and an income that was never paid in.
#[test]
fn forged_waiting_rows_and_incomes_are_refused() {
    let block = || BlockNameImage { tag: 1, meter: 0, client_id: 1 };
    assert_eq!(refused(|image| image.rest.blocks = vec![block()]), RestoreError::Row("a block's name"));
    assert_eq!(refused(|image| image.rest.blocks = vec![block(), block()]), RestoreError::Row("the order of blocks"));
    let offer = || OfferImage { meter: 0, client_id: 1, partner: 1, period: 2, sells: true, price: 10, energy: 10 };
    assert_eq!(refused(|image| image.rest.offers = vec![offer()]), RestoreError::Row("an offer"));
    assert_eq!(refused(|image| image.rest.offers = vec![offer(), offer()]), RestoreError::Row("the order of offers"));
    let income = |area, fees, billed| {
        let (fees, billed) = (Money(fees), Money(billed));
        AreaIncomeImage { area, income: AreaIncome { fees, billed, ..AreaIncome::default() } }
    };
    assert_eq!(refused(|image| image.rest.incomes = vec![income(9, 1, 0)]), RestoreError::Row("an area's income"));
    assert_eq!(
        refused(|image| image.rest.incomes = vec![income(1, 1, 0), income(1, 1, 0)]),
        RestoreError::Row("the order of incomes")
    );
    assert_eq!(
        refused(|image| image.rest.incomes = vec![income(1, 9, 2)]),
        RestoreError::Audit(AuditError::Grid { holds: Money(0), brought: Money(7) })
    );
    assert_eq!(
        refused(|image| image.rest.incomes = vec![income(1, i128::MAX, i128::MAX)]),
        RestoreError::Row("an absurd amount of money")
    );
}
