//! What clients and validators say to each other.

use gridbook_engine::depth::Depth;
use gridbook_engine::{AccountId, AreaId, Contract, DeliveryPeriod, Energy, LedgerTime, MeterId, Money, Price};
use gridbook_ledger::conduct::{DeviceFault, Entry, Fault, Proof};
use gridbook_ledger::consent::{Grant, GrantReader, Scope};
use gridbook_ledger::crypto::Hash;
use gridbook_ledger::evidence::{EvidenceKey, EvidenceKind};
use gridbook_ledger::origin::CertificateRange;
use gridbook_ledger::registry::OrganisationId;
use gridbook_ledger::reject::Code;
use gridbook_ledger::store::{FactOwner, FactPlace};
use gridbook_ledger::validators::ValidatorIndex;
use gridbook_node::protocol::{
    AccountState, Answer, Book, CertificateLink, ConductBook, ConductStanding, ConductSubject, GrantList, QueryKind,
    RegistrySubject, Request, RequestBody, SignedQuery, Status, Use, UsePage,
};

use super::{Target, word};
use crate::quartet::{day, receipts};
use crate::village::{PERIOD, chain, genesis, key, stories};

pub(super) const TARGETS: &[Target] = &[
    Target { name: "meter_request", seeds: requests, run: request, held_bytes_max: (64 << 10, 8), short_runs: 10_000 },
    Target { name: "meter_answer", seeds: answers, run: answer, held_bytes_max: (64 << 10, 32), short_runs: 20_000 },
];

fn query(kind: QueryKind) -> SignedQuery {
    SignedQuery::sign(chain(), kind, LedgerTime(genesis().ledger_start.0 + 60_000), &key(1))
}

fn facts() -> QueryKind {
    let from = FactPlace { period: PERIOD, seq: 4, place: 2 };
    QueryKind::Facts { owner: FactOwner::Meter(MeterId(4)), from, to: PERIOD }
}

fn conduct() -> QueryKind {
    QueryKind::Conduct(ConductSubject::Meter(MeterId(4)))
}

fn range() -> CertificateRange {
    CertificateRange::new(AreaId(1), 1_001, Energy(500)).expect("a range")
}

fn bill() -> QueryKind {
    QueryKind::Bill { meter: MeterId(4), from: DeliveryPeriod(PERIOD.0 - 96), to: PERIOD }
}

fn certificates() -> QueryKind {
    QueryKind::Certificates { meter: MeterId(4), from_seq: 70 }
}

fn grants() -> QueryKind {
    QueryKind::Grants { meter: MeterId(4) }
}

fn uses() -> QueryKind {
    QueryKind::Uses { meter: MeterId(4), from: 9 }
}

fn receipt() -> QueryKind {
    let range = CertificateRange::new(AreaId(1), 1_001, Energy(500)).expect("it is one");
    let life = Some(CertificateLink { range, own: 812, by: 977 });
    QueryKind::Receipt { seq: 4711, of: Some(MeterId(4)), life }
}

fn bundle_receipt() -> QueryKind {
    QueryKind::BundleReceipt { bundle: stories()[0].id().0, index: 2, of: Some(MeterId(4)) }
}

fn area_facts() -> QueryKind {
    QueryKind::AreaFacts { area: AreaId(1), from: FactPlace { period: PERIOD, seq: 4, place: 2 }, to: PERIOD }
}

fn requests() -> Vec<Vec<u8>> {
    let bodies = vec![
        RequestBody::Submit(stories()[0].bytes().to_vec()),
        RequestBody::Watch(query(QueryKind::Watch)),
        RequestBody::Status,
        RequestBody::Account(query(QueryKind::Account)),
        RequestBody::Ask(query(facts())),
        RequestBody::CertificateRecords { range: range(), from_seq: 70 },
        RequestBody::Ask(query(bill())),
        RequestBody::Ask(query(QueryKind::Extracts { account: AccountId(3), from_seq: 70, from_byte: 5 })),
        RequestBody::Ask(query(QueryKind::Proof { account: AccountId(3) })),
        RequestBody::Ask(query(conduct())),
        RequestBody::Ask(query(certificates())),
        RequestBody::Ask(query(uses())),
        RequestBody::Ask(query(grants())),
        RequestBody::Header { height: 7 },
        RequestBody::Registry { query: query(QueryKind::Registry), subject: RegistrySubject::Meter(MeterId(1)) },
        RequestBody::Book(Contract { area: AreaId(1), period: PERIOD }),
        RequestBody::Settled { word: vec![4; 200], index: 3 },
        RequestBody::Ask(query(receipt())),
        RequestBody::Ask(query(bundle_receipt())),
        RequestBody::Ask(query(area_facts())),
        RequestBody::Evidence { from: 1 },
        RequestBody::HandIn(word::evidence().swap_remove(0)),
        RequestBody::Epochs { from: 0 },
    ];
    bodies.into_iter().zip(1..).map(|(body, request_id)| Request { request_id, body }.encode()).collect()
}

/// Requests are canonical, and a query that verifies is one that the meter signed.
fn request(bytes: &[u8]) {
    if let Ok(request) = Request::decode(bytes) {
        assert_eq!(request.encode(), bytes);
        if let RequestBody::Watch(query)
        | RequestBody::Account(query)
        | RequestBody::Registry { query, .. }
        | RequestBody::Ask(query) = request.body
            && query.verify()
        {
            let (extracts, proof) = (
                QueryKind::Extracts { account: AccountId(3), from_seq: 70, from_byte: 5 },
                QueryKind::Proof { account: AccountId(3) },
            );
            let kinds = [
                QueryKind::Watch,
                QueryKind::Account,
                QueryKind::Registry,
                facts(),
                bill(),
                certificates(),
                extracts,
                proof,
                conduct(),
                uses(),
                grants(),
                receipt(),
                bundle_receipt(),
                area_facts(),
            ];
            assert!(kinds.map(self::query).contains(&query), "{query:?}");
        }
    }
}

fn status() -> Status {
    Status {
        chain: chain(),
        validator: ValidatorIndex(3),
        height: 9,
        view: 4,
        leader: ValidatorIndex(1),
        ledger_time: genesis().ledger_start,
        last_seq: 12,
        accounts: 7,
        meters: 5,
        organisations: 2,
        orders_open: 99,
        trades: 3,
        state_root: Hash([2; 32]),
        money_sum: Money(0),
        grid_income: Money(5),
    }
}

fn account() -> AccountState {
    AccountState {
        account: AccountId(6),
        balance: Money(5_000_000_000),
        reserved: Money(1),
        debt: Money(3),
        meter: MeterId(4),
        area: AreaId(2),
        nonce: 8,
        suspended: true,
    }
}

fn conduct_book() -> ConductBook {
    let records = Proof::of(&[4, 70]).expect("two records in order");
    let (account, meter, kind) = (AccountId(6), MeterId(4), DeviceFault::DoubleReading);
    let fault = Fault::Device { account, meter, kind, period: Some(PERIOD), proof: records };
    let standing = ConductStanding { account, score: 800, share_ppm: 1_200_000, cost: Money(7) };
    let entries = vec![(3, Entry::new(fault, genesis().ledger_start))];
    ConductBook { as_of: genesis().ledger_start, standing: Some(standing), entries, next: Some(4) }
}

fn grant_list() -> GrantList {
    let as_of = genesis().ledger_start;
    let grant = Grant { scope: Scope::STATEMENT, until: LedgerTime(as_of.0 + 1) };
    let readers = [GrantReader::Organisation(OrganisationId(0)), GrantReader::Key(key(3).public())];
    GrantList { as_of, meter: MeterId(4), grants: readers.map(|reader| (reader, grant)).to_vec() }
}

fn use_page() -> UsePage {
    let (meter, account, organisation) = (MeterId(4), AccountId(6), Some(OrganisationId(0)));
    let (at, key, scope) = (genesis().ledger_start, key(3).public(), 1);
    let by_organisation = Use { at, meter, account, key, organisation, scope, question: facts() };
    let by_key = Use { organisation: None, question: conduct(), ..by_organisation };
    UsePage { uses: vec![(9, by_organisation), (12, by_key)], next: Some(13) }
}

fn answers() -> Vec<Vec<u8>> {
    let step = &day().finals[0];
    let levels = |prices: [i32; 2]| prices.map(|price| (Price(price), Energy(400))).into_iter().collect();
    let depth = Depth { epoch: 40, bids: levels([240, 230]), asks: levels([250, 260]) };
    let (bundle, records) = (Hash([3; 32]), step.records.clone());
    let (receipt, kind) = (receipts(day())[0].encode(), EvidenceKind::ReceiptBreach);
    let header = step.proposal.header.encode();
    let answers = [
        Answer::Refused { request_id: 1, code: Code::AuthReplay },
        Answer::Accepted { request_id: 2, bundle },
        Answer::Final { request_id: 3, bundle, height: 8, first_seq: 70, records },
        Answer::Watching { request_id: 4, meter: MeterId(4) },
        Answer::Event { meter: MeterId(4), height: 8, record: step.records[0].clone() },
        Answer::WatchEnded { meter: MeterId(4), code: Code::AuthForeign },
        Answer::Receipt { request_id: 5, receipt },
        Answer::Status { request_id: 6, status: status() },
        Answer::Account { request_id: 7, account: account() },
        Answer::NotFinal { request_id: 8 },
        Answer::NotHere { request_id: 17, from_height: 6, to_height: 512 },
        Answer::Header { request_id: 9, header },
        Answer::Evidence { request_id: 11, total: 2, items: word::evidence()[..2].to_vec() },
        Answer::Taken { request_id: 12, key: EvidenceKey { epoch: 0, culprit: ValidatorIndex(2), kind }, is_new: true },
        Answer::Facts { request_id: 18, facts: vec![7; 90], next: Some(FactPlace::first_of(PERIOD)) },
        Answer::CertificateRecords { request_id: 26, seqs: vec![3, 70], next: Some(71) },
        Answer::Bill { request_id: 21, sums: vec![7; 90], next: Some(PERIOD) },
        Answer::Extracts { request_id: 19, extracts: vec![step.records[0].clone(), vec![3; 40]], left: 3 },
        Answer::AccountProof { request_id: 20, proof: vec![4; 200] },
        Answer::Certificates { request_id: 23, records: vec![step.records[0].clone(), vec![3; 40]], next: Some(71) },
        Answer::Conduct { request_id: 21, book: Box::new(conduct_book()) },
        Answer::Grants { request_id: 42, list: Box::new(grant_list()) },
        Answer::Uses { request_id: 40, page: use_page() },
        Answer::Book { request_id: 10, book: Box::new(Book { as_of: 41, depth: Some(depth) }) },
    ];
    answers.iter().map(Answer::encode).collect()
}

fn answer(bytes: &[u8]) {
    if let Ok(answer) = Answer::decode(bytes) {
        assert_eq!(answer.encode(), bytes);
    }
}
