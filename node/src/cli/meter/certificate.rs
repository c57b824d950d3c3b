//! `gridbook meter certificate`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail, ensure};
use clap::Args;
use gridbook_engine::{AreaId, DeliveryPeriod, Energy, MeterId};
use gridbook_ledger::crypto::SecretKey;
use gridbook_ledger::origin::CertificateRange;
use gridbook_ledger::origin::proof::{CertificateError, CertificateProof, VerifiedCertificate};
use gridbook_ledger::receipt::Receipt;
use gridbook_ledger::record::{CertificateChange, Certificates, Record, RecordEvent};
use gridbook_ledger::reject::Code;
use gridbook_ledger::store::FactOwner;
use serde_json::json;

use super::{MeterArgs, Session};
use crate::cli::{Global, Usage};
use crate::client::ClientError;
use crate::keyfile::read_key;
use crate::moment::parse_period;
use crate::network::write_new;
use crate::protocol::{CertificateLink, QueryKind};

/// Fetch the proof of where certificates of origin came from and what became of them, and write it to a file.
#[derive(Args, Debug)]
#[command(after_help = "  gridbook meter certificate 3/1001-1500 --out sun.certificate
  gridbook meter certificate --period 2026-06-17T12:00 --key roof.key --out sun.certificate
  gridbook verify certificate sun.certificate --genesis net/genesis.json

A validator says which records tell of the certificates; what is written was checked here. Certificates that went different ways have a
proof for each: then there are several files, sun-1.certificate and so on. Of a period it is all that was issued to the meter, or came to it.
The key is that of a meter whose account had them, or an office's: whoever never had them is not told where they came from.")]
pub(crate) struct CertificateArgs {
    #[command(flatten)]
    asker: MeterArgs,
    /// The certificates: issuer, first and last number, as records write them.
    #[arg(value_name = "ISSUER/FIRST-LAST", value_parser = parse_range, required_unless_present = "period")]
    range: Option<CertificateRange>,
    /// All of a meter's whose energy was delivered in this period, by the moment at which delivery begins, or by number.
    #[arg(long, value_name = "PERIOD", conflicts_with_all = ["range", "seq"])]
    period: Option<String>,
    /// The meter's number; without it, the meter whose key asks.
    #[arg(long = "meter", value_name = "NUMBER", requires = "period")]
    number: Option<u32>,
    /// A record that tells of them, by its sequence number, as often as needed; without any, a validator is asked. Trades are found by
    /// themselves.
    #[arg(long, value_name = "NUMBER")]
    seq: Vec<u64>,
    /// The file to write; it must not exist.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

/// The most records that are looked at for one run of certificates: enough for the settlement, the ways and the claims of a large plant's hour.
const RECORDS_MAX: usize = 2_048;

/// `3/1001-1500`.
fn parse_range(text: &str) -> Result<CertificateRange, String> {
    let parse = || {
        let (issuer, numbers) = text.split_once('/')?;
        let (first, last) = numbers.split_once('-')?;
        let (issuer, first, last) = (issuer.parse().ok()?, first.parse::<u64>().ok()?, last.parse::<u64>().ok()?);
        CertificateRange::new(AreaId(issuer), first, Energy(last.checked_sub(first)?.checked_add(1)?))
    };
    parse().ok_or_else(|| "certificates are written as issuer/first-last, like 3/1001-1500".to_owned())
}

impl CertificateArgs {
    /// Fetches the receipts, and those of the trades that they name, and writes them if they prove something.
    pub(super) async fn run(self, global: &Global) -> anyhow::Result<()> {
        let key = read_key(&self.asker.key)?;
        let session = Session::open(&self.asker.connect).await?;
        let ranges = match self.range {
            Some(range) => vec![range],
            None => self.ranges_of_period(&session, &key).await?,
        };
        let mut tracing = Tracing { session: &session, key, receipts: BTreeMap::new(), named: BTreeSet::new() };
        let mut proofs = Vec::new();
        for range in ranges {
            match &self.seq[..] {
                [] => proofs.extend(tracing.trace_all(range).await?),
                seqs => proofs.push(tracing.trace(range, seqs.iter().copied().collect()).await?),
            }
        }
        let (mut texts, mut values) = (Vec::new(), Vec::new());
        for (place, (proof, verified)) in proofs.iter().enumerate() {
            let (file, bytes) = (file_of(&self.out, place, proofs.len()), proof.encode());
            write_new(&file, &bytes)?;
            let VerifiedCertificate { range, standing, is_final, .. } = verified;
            values.push(json!({
                "file": file, "range": range.to_string(), "bytes": bytes.len(), "receipts": proof.receipts.len(), "verified": true,
                "standing": standing.name(), "final": is_final}));
            let so_far = if *is_final { "for ever" } else { "so far" };
            let (name, standing) = (file.display(), standing.name());
            texts.push(format!("{name} ({} bytes, verified): {range} are {standing} {so_far}", bytes.len()));
        }
        let value = if let [one] = &values[..] { one.clone() } else { json!({"files": values}) };
        global.print(&value, || texts.join("\n"))
    }

    /// What was issued to the meter in a period, and what came to it.
    async fn ranges_of_period(&self, session: &Session, key: &SecretKey) -> anyhow::Result<Vec<CertificateRange>> {
        let Some(period) = &self.period else { return Err(Usage::error("say which by number, or by --period")) };
        let period = parse_period(period, session.genesis.rules.mtu_minutes).map_err(Usage::error)?;
        let sign = |kind| session.query(key, kind);
        let meter = match self.number {
            Some(number) => MeterId(number),
            None => session.client.account(sign(QueryKind::Account)).await?.meter,
        };
        // Certificates come after the period's first fact. Who may not read facts has all that was ever told looked through.
        let facts = session.client.facts(sign, FactOwner::Meter(meter), period, period).await.unwrap_or_default();
        let from_seq = facts.iter().map(|row| row.seq).min().unwrap_or(0);
        let records = session.client.certificates(sign, meter, from_seq).await?;
        let ranges = ranges_at(&records, meter, period);
        ensure!(!ranges.is_empty(), "no certificates were issued to meter {} for that period, or came to it", meter.0);
        Ok(ranges)
    }
}

/// Receipts as they are fetched, once each.
struct Tracing<'a> {
    session: &'a Session,
    key: SecretKey,
    receipts: BTreeMap<u64, Receipt>,
    /// Those that the asker was told by itself.
    named: BTreeSet<u64>,
}

impl Tracing<'_> {
    /// Finds the records by itself. Certificates that did not all go one way are traced in the parts that did.
    async fn trace_all(
        &mut self,
        range: CertificateRange,
    ) -> anyhow::Result<Vec<(CertificateProof, VerifiedCertificate)>> {
        let (mut proofs, mut left) = (Vec::new(), vec![range]);
        while let Some(range) = left.pop() {
            let seqs = self.session.client.certificate_records(range, RECORDS_MAX).await?;
            let seqs = seqs.with_context(|| format!("too much is told of {range}: ask for fewer at a time"))?;
            ensure!(!seqs.is_empty(), "no final record tells of the certificates {range}");
            self.fetch(range, &seqs).await?;
            let parts = self.parts(range, &seqs)?;
            match &parts[..] {
                [_] => proofs.push(self.trace(range, seqs).await?),
                // The first is traced first.
                parts => left.extend(parts.iter().rev()),
            }
        }
        Ok(proofs)
    }

    /// The proof out of some records, and of the trades that they name.
    async fn trace(
        &mut self,
        range: CertificateRange,
        mut seqs: BTreeSet<u64>,
    ) -> anyhow::Result<(CertificateProof, VerifiedCertificate)> {
        loop {
            self.fetch(range, &seqs).await?;
            let receipts = seqs.iter().filter_map(|seq| self.receipts.get(seq)).cloned().collect();
            let proof = CertificateProof { range, receipts };
            match proof.verify(&self.session.genesis) {
                Err(CertificateError::NoTrade { trade, .. }) if seqs.insert(trade) => {}
                verified => {
                    let verified = verified.context("these records do not prove the certificates' life")?;
                    return Ok((proof, verified));
                }
            }
        }
    }

    /// The parts of a range of which records tell as a whole.
    fn parts(&self, range: CertificateRange, seqs: &BTreeSet<u64>) -> anyhow::Result<Vec<CertificateRange>> {
        let mut cuts = Vec::new();
        for receipt in seqs.iter().filter_map(|seq| self.receipts.get(seq)) {
            for event in Record::decode(&receipt.record).context("the validator sent no record")?.events {
                if let RecordEvent::Certificates(told) = event
                    && told.range.overlaps(&range)
                {
                    cuts.extend([told.range.first(), told.range.end()]);
                }
            }
        }
        Ok(range.cut_at(cuts))
    }

    /// First what names the asker: that shows which of the others belong to what was his, and each of those may lead to another.
    async fn fetch(&mut self, range: CertificateRange, seqs: &BTreeSet<u64>) -> anyhow::Result<()> {
        let mut others = Vec::new();
        for seq in seqs.iter().filter(|seq| !self.receipts.contains_key(seq)).copied().collect::<Vec<_>>() {
            match self.is_told(seq, None).await? {
                true => _ = self.named.insert(seq),
                false => others.push(seq),
            }
        }
        while !others.is_empty() {
            let mut left = Vec::new();
            for seq in &others {
                if !self.is_told_by_a_link(range, *seq).await? {
                    left.push(*seq);
                }
            }
            if left.len() == others.len() {
                let numbers = left.iter().map(u64::to_string).collect::<Vec<_>>().join(", ");
                bail!(
                    "record {numbers} is told only to who had these certificates, with what leads there. {}",
                    Code::AuthForeign
                );
            }
            others = left;
        }
        Ok(())
    }

    async fn is_told_by_a_link(&mut self, range: CertificateRange, seq: u64) -> anyhow::Result<bool> {
        let told =
            |seq: &u64| told_of(range, &self.receipts[seq]).into_iter().map(|part| (*seq, part)).collect::<Vec<_>>();
        let owned: BTreeMap<CertificateRange, u64> =
            self.named.iter().flat_map(told).map(|(own, range)| (range, own)).collect();
        let known: Vec<u64> = self.receipts.keys().copied().filter(|known| !told(known).is_empty()).collect();
        // Most tell of the certificates themselves.
        for by in [seq].into_iter().chain(known) {
            for (range, own) in &owned {
                if self.is_told(seq, Some(CertificateLink { range: *range, own: *own, by })).await? {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    async fn is_told(&mut self, seq: u64, life: Option<CertificateLink>) -> anyhow::Result<bool> {
        let query = self.session.query(&self.key, QueryKind::Receipt { seq, of: None, life });
        let bytes = match self.session.client.receipt(query).await {
            Err(ClientError::Refused(Code::AuthForeign)) => return Ok(false),
            bytes => bytes.with_context(|| format!("record {seq}"))?,
        };
        let receipt = Receipt::decode(&bytes).context("the validator sent no receipt")?;
        self.receipts.insert(seq, receipt);
        Ok(true)
    }
}

/// The parts of a range that a record tells of, each whole.
fn told_of(range: CertificateRange, receipt: &Receipt) -> Vec<CertificateRange> {
    let events = Record::decode(&receipt.record).map(|record| record.events).unwrap_or_default();
    let parts = events.iter().filter_map(|event| match event {
        RecordEvent::Certificates(told) if told.range.overlaps(&range) => {
            range.cut_at([told.range.first(), told.range.end()]).into_iter().find(|part| told.range.contains(part))
        }
        _ => None,
    });
    parts.collect()
}

/// What records say was issued to a meter for a period, or came to it: each certificate once.
fn ranges_at(records: &[Record], meter: MeterId, period: DeliveryPeriod) -> Vec<CertificateRange> {
    let mut ranges: Vec<CertificateRange> = Vec::new();
    for event in records.iter().flat_map(|record| &record.events) {
        let RecordEvent::Certificates(Certificates { range, period: of, holder, change, .. }) = event else { continue };
        let came = matches!(change, CertificateChange::Issued { .. } | CertificateChange::Moved { .. });
        if came && (*holder, *of) == (meter, period) {
            let (overlapping, mut others): (Vec<_>, Vec<_>) = ranges.iter().partition(|known| known.overlaps(range));
            others.push(overlapping.iter().fold(*range, |all, known| all.joined(known)));
            ranges = others;
        }
    }
    ranges.sort_unstable();
    ranges
}

/// Of several files each has its number before the ending.
fn file_of(out: &Path, place: usize, count: usize) -> PathBuf {
    if count == 1 {
        return out.to_path_buf();
    }
    let mut name = out.file_stem().unwrap_or_default().to_owned();
    name.push(format!("-{}", place + 1));
    if let Some(ending) = out.extension() {
        name.push(".");
        name.push(ending);
    }
    out.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use gridbook_engine::{AccountId, EnergySources};
    use gridbook_ledger::crypto::Hash;
    use gridbook_ledger::record::Outcome;

    use super::*;

    #[test]
    fn ranges_are_read_as_they_are_written() {
        let range = CertificateRange::new(AreaId(3), 1_001, Energy(500)).unwrap();
        assert_eq!(parse_range(&range.to_string()), Ok(range));
        for text in ["", "3", "3/5", "3/5-4", "3/0-4", "x/1-2", "3/1-", "70000/1-2", "0/1-18446744073709551615"] {
            assert!(parse_range(text).is_err(), "{text}");
        }
    }
    fn told(first: u64, energy: u64, holder: u32, period: u32, change: CertificateChange) -> Record {
        let range = CertificateRange::new(AreaId(3), first, Energy(energy)).unwrap();
        let (holder, account, period) = (MeterId(holder), AccountId(holder), DeliveryPeriod(period));
        let events = vec![RecordEvent::Certificates(Certificates { range, period, holder, account, change })];
        let (entry, outcome) = (Hash([1; 32]), Outcome::Done);
        Record { seq: 7, entry, index: 0, meter: None, client_id: 0, outcome, events }
    }

    /// A piece that came, was taken back and came again in two parts is one; what went, and other periods, are others'.
    #[test]
    fn what_came_to_a_meter_in_a_period_is_there_once() {
        let moved = CertificateChange::Moved { from: MeterId(1), from_account: AccountId(1), trade: 3 };
        let issued = CertificateChange::Issued { source: EnergySources::SOLAR };
        let records = [
            told(501, 9, 2, 900, moved),
            told(1, 100, 2, 900, moved),
            told(1, 100, 2, 900, CertificateChange::Claimed { by: MeterId(2) }),
            told(1, 60, 2, 900, moved),
            told(61, 40, 2, 900, moved),
            told(101, 7, 5, 900, moved),
            told(201, 7, 2, 901, issued),
        ];
        let range = |first, energy| CertificateRange::new(AreaId(3), first, Energy(energy)).unwrap();
        let at = |period| ranges_at(&records, MeterId(2), DeliveryPeriod(period));
        assert_eq!((at(900), at(901), at(902)), (vec![range(1, 100), range(501, 9)], vec![range(201, 7)], vec![]));
    }

    #[test]
    fn one_proof_has_the_file_that_was_named_and_several_are_numbered() {
        let out = Path::new("certificates/sun.certificate");
        assert_eq!(file_of(out, 0, 1), out);
        assert_eq!(file_of(out, 1, 2), Path::new("certificates/sun-2.certificate"));
        assert_eq!(file_of(Path::new("sun"), 0, 2), Path::new("sun-1"));
    }
}
