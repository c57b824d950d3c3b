//! Signatures and hashes: what bounds a ledger that checks everything.

use gridbook_benches::conditions;
use gridbook_benches::measure::{self, bench, grouped, per_second};
use gridbook_benches::town::{bundle, entries, genesis, key};
use gridbook_benches::trading::Trading;
use gridbook_engine::{AccountId, AreaId, DeliveryPeriod, Energy, MeterId, Price, Side, TradeKind};
use gridbook_ledger::command::SignedBundle;
use gridbook_ledger::crypto::{Batch, Hash, PairHasher};
use gridbook_ledger::record::{Outcome, PartyRef, Record, RecordEvent, Trade};

fn main() {
    let conditions = conditions::line();
    let mut criterion = measure::criterion(2.0);
    let mut group = criterion.benchmark_group("crypto");
    let signed: Vec<SignedBundle> = (0..256).map(signed_bundle).collect();
    let (secret, content) = (key(1), signed[0].content().to_vec());
    let record = record();
    let record_bytes = record.encode();
    let pair = PairHasher::new("bench");
    let large = entries(1, 96, 1, 1).remove(0);

    let mut rows = vec![("sign a bundle of one order", bench(&mut group, "sign", || secret.sign(&content)), 1)];
    let verify = || signed[0].bundle().signer.verify(signed[0].content(), signed[0].signature());
    assert!(verify(), "what is measured is the good case");
    rows.push(("verify one by one", bench(&mut group, "verify", verify), 1));
    for (name, count) in [("verify in batches of 64", 64), ("verify in batches of 256", 256)] {
        rows.push((name, bench(&mut group, name, || verify_batch(&signed[..count])), count as u64));
    }
    rows.push(("BLAKE3 leaf of a record of one trade", bench(&mut group, "leaf", || record.leaf_hash()), 1));
    rows.push(("the same, its bytes laid before", bench(&mut group, "hash", || Hash::of("bench", &record_bytes)), 1));
    let join = || pair.join(&Hash::ZERO, &Hash([1; 32]));
    rows.push(("BLAKE3 node of a tree: two hashes into one", bench(&mut group, "join", join), 1));
    let large = large.encode();
    let digest = || Hash::of("bench", &large);
    rows.push(("BLAKE3 of a bundle of 96 orders", bench(&mut group, "bundle", digest), 1));

    println!(
        "\nsignatures (ed25519, ZIP-215 rule) and hashes, one thread, processor time, median of 10 samples; {conditions}\n"
    );
    println!("| what | each | per second |\n|---|---|---|");
    for (what, ns, count) in rows {
        let Some(ns) = ns else { continue };
        println!("| {what} | {} | {} |", each(ns / count as f64), grouped(per_second(ns, count)));
    }
}

fn verify_batch(signed: &[SignedBundle]) {
    let mut batch = Batch::default();
    signed.iter().for_each(|signed| batch.push(&signed.bundle().signer, signed.content(), signed.signature()));
    batch.verify().expect("all signatures are good");
}

fn signed_bundle(meter: u32) -> SignedBundle {
    let (key, mut trading) = (key(meter + 1), Trading::new(meter.into(), DeliveryPeriod(1)));
    bundle(genesis().chain_id(), key.public(), 1, vec![trading.next(meter)]).sign(&key)
}

fn record() -> Record {
    let party = |number| PartyRef { account: AccountId(number), meter: MeterId(number), client_id: 7 };
    let trade = RecordEvent::Trade(Trade {
        maker: party(1),
        taker: party(2),
        period: DeliveryPeriod(1),
        maker_area: AreaId(0),
        taker_area: AreaId(0),
        taker_side: Side::Buy,
        kind: TradeKind::Continuous,
        price: Price(250),
        fee: Price(0),
        energy: Energy(100),
    });
    let (entry, meter) = (Hash([7; 32]), Some(MeterId(2)));
    Record { seq: 9, entry, index: 0, meter, client_id: 7, outcome: Outcome::Done, events: vec![trade] }
}

fn each(ns: f64) -> String {
    if ns < 1_000.0 { format!("{ns:.0} ns") } else { format!("{:.1} us", ns / 1_000.0) }
}
