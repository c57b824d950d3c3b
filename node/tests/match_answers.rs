//! Order files against the answers that the market's rules give, and the promise that nothing but the file decides them.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::fs;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use gridbook_engine::Engine;
use gridbook_engine::reference::Reference;
use gridbook_node::order_file::{FileMarket, Format, LINE_BYTES_MAX, RunError, Settings, run};

fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/order_files")
}

fn answer<M: FileMarket>(file: &[u8], settings: &Settings) -> String {
    let mut output = Vec::new();
    run::<M>(file, &mut output, settings, &mut |_| {}).unwrap();
    String::from_utf8(output).unwrap()
}

fn spread(shards: usize, batch: usize) -> Settings {
    let count = |count| NonZeroUsize::new(count).unwrap();
    Settings { shards: count(shards), batch: count(batch), ..Settings::default() }
}

fn without_digest(answers: &str) -> Vec<&str> {
    let mut lines: Vec<&str> = answers.lines().collect();
    assert!(lines.pop().unwrap().starts_with("{\"digest\": \""));
    lines
}

/// The files with answers beside them.
fn golden() -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(data()).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.with_extension("answers.jsonl").exists());
    files.sort();
    assert!(files.len() >= 19, "{}", files.len());
    files
}

fn answers_as_drawn<M: FileMarket>() {
    let mut wrong = String::new();
    for path in golden() {
        let drawn = fs::read_to_string(path.with_extension("answers.jsonl")).unwrap();
        let answers = answer::<M>(&fs::read(&path).unwrap(), &Settings::default());
        let (got, drawn) = (without_digest(&answers), drawn.lines().collect::<Vec<_>>());
        if let Some(at) = (0..got.len().max(drawn.len())).find(|&at| got.get(at) != drawn.get(at)) {
            wrong += &format!(
                "{}, answer {}:\n  got   {:?}\n  drawn {:?}\n",
                path.display(),
                at + 1,
                got.get(at),
                drawn.get(at)
            );
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn every_file_is_answered_as_it_was_drawn_by_hand() {
    answers_as_drawn::<Engine>();
    answers_as_drawn::<Reference>();
}

#[test]
fn neither_batches_nor_shards_change_a_byte() {
    for path in golden().into_iter().chain([data().join("every_command.jsonl")]) {
        same_however_spread::<Engine>(&fs::read(&path).unwrap(), &path.display().to_string());
    }
    for seed in 0..24 {
        let file = Stream::new(seed).file(600);
        same_however_spread::<Engine>(file.as_bytes(), &format!("seed {seed}"));
    }
}

/// A file without a network line names its areas as it goes. An auction tells of those that were named before it, however far the
/// file has been read by then.
#[test]
fn an_auction_among_islands_tells_of_those_that_were_named_before_it() {
    let place = |id: u64, area: &str, side: &str| {
        format!(
            "{{\"place\": {{\"id\": {id}, \"account\": \"{side}\", \"area\": \"{area}\", \"period\": 0, \"side\": \"{side}\", \
             \"price\": 300, \"energy\": 1}}}}\n"
        )
    };
    let file = [
        place(1, "root", "buy"),
        place(2, "root", "sell"),
        "{\"auction\": {\"period\": 0}}\n".to_owned(),
        place(3, "A", "sell"),
        "{\"auction\": {\"period\": 0}}\n".to_owned(),
    ];
    let file = file.concat();
    same_however_spread::<Engine>(file.as_bytes(), "islands");
    let answers = answer::<Engine>(file.as_bytes(), &Settings::default());
    let cleared: Vec<&str> = answers.lines().filter(|line| line.contains("\"cleared\"")).collect();
    let of = |area: &str| cleared.iter().filter(|line| line.contains(area)).count();
    assert_eq!((of("\"root\""), of("\"A\"")), (2, 1), "{answers}");
}

#[test]
fn the_engine_answers_as_its_slow_twin_does() {
    for seed in 0..12 {
        let file = Stream::new(seed + 100).file(250);
        let engine = answer::<Engine>(file.as_bytes(), &spread(2, 9));
        let twin = answer::<Reference>(file.as_bytes(), &Settings::default());
        for (at, (ours, twins)) in without_digest(&engine).iter().zip(without_digest(&twin)).enumerate() {
            assert_eq!(*ours, twins, "answer {} of seed {seed}", at + 1);
        }
        assert_eq!(engine.lines().count(), twin.lines().count());
        assert!(engine.matches("\"trade\"").count() > 20, "seed {seed} is too quiet to say anything");
    }
}

fn same_however_spread<M: FileMarket>(file: &[u8], name: &str) {
    let plain = answer::<M>(file, &Settings::default());
    for (shards, batch) in [(1, 1), (1, 7), (2, 4096), (3, 1), (5, 13), (8, 64)] {
        let spread = answer::<M>(file, &spread(shards, batch));
        if spread != plain {
            let at = plain.lines().zip(spread.lines()).position(|(one, other)| one != other);
            let line = |text: &str| at.and_then(|at| text.lines().nth(at).map(String::from));
            panic!("{name}, {shards} shards, batches of {batch}: {:?} is {:?}", line(&plain), line(&spread));
        }
    }
}

#[test]
fn the_digest_is_of_the_answers_whatever_is_shown() {
    let file = fs::read(data().join("every_command.jsonl")).unwrap();
    let digest = |format| {
        run::<Engine>(&*file, std::io::sink(), &Settings { format, ..Settings::default() }, &mut |_| {}).unwrap()
    };
    let (json, text) = (digest(Format::Json), digest(Format::Text));
    assert_eq!(json, text);
    assert!(answer::<Engine>(&file, &Settings::default()).contains(&json.digest));
    let shorter = file.rsplitn(3, |&byte| byte == b'\n').last().unwrap();
    let other = run::<Engine>(shorter, std::io::sink(), &Settings::default(), &mut |_| {}).unwrap();
    assert_ne!(other.digest, json.digest);
}

/// Each line that cannot be read, with a part of the sentence that answers it.
const BAD: &[(&str, &str)] = &[
    ("nonsense", "expected"),
    ("{", "ends too early"),
    ("[]", "expected"),
    ("{}", "expected"),
    ("null", "expected"),
    (r#"{"plaice": {"id": 1}}"#, "unknown variant `plaice`"),
    (r#"{"cancel": {"id": 1}} {"cancel": {"id": 1}}"#, "trailing"),
    (r#"{"cancel": {"id": 1}, "reduce": {"id": 1, "by": 1}}"#, "expected"),
    (r#"{"cancel": {"id": 1, "now": true}}"#, "unknown field `now`"),
    (r#"{"cancel": {"id": 1, "id": 2}}"#, "duplicate field `id`"),
    (r#"{"cancel": {}}"#, "missing field `id`"),
    (r#"{"cancel": {"id": -1}}"#, "expected an id as a whole number"),
    (r#"{"cancel": {"id": "1"}}"#, "expected an id"),
    (r#"{"cancel": {"id": 18446744073709551616}}"#, "expected an id as a whole number from 0 to 18446744073709551615"),
    (r#"{"reduce": {"id": 1, "by": 1.0}}"#, "floating point `1.0`, expected energy in Wh"),
    (r#"{"reduce": {"id": 1, "by": 1e3}}"#, "floating point"),
    (r#"{"reduce": {"id": 1, "by": NaN}}"#, "expected"),
    (
        r#"{"place": {"id": 1, "account": "a", "period": 0, "side": "buy", "price": 10, "energy": -1}}"#,
        "`-1`, expected energy in Wh",
    ),
    (
        r#"{"place": {"id": 1, "account": "a", "period": 0, "side": "buy", "price": 2147483648, "energy": 1}}"#,
        "-2147483648 to 2147483647",
    ),
    (
        r#"{"place": {"id": 1, "account": "a", "period": 0, "side": "buy", "price": -2147483649, "energy": 1}}"#,
        "expected a price",
    ),
    (
        r#"{"place": {"id": 1, "account": "a", "period": 4294967296, "side": "buy", "price": 10, "energy": 1}}"#,
        "expected a delivery period",
    ),
    (
        r#"{"place": {"id": 1, "account": "a", "period": 0, "side": "hold", "price": 10, "energy": 1}}"#,
        "unknown variant `hold`",
    ),
    (r#"{"place": {"id": 1, "account": "a", "period": 0, "side": "buy", "energy": 1}}"#, "needs a price"),
    (
        r#"{"place": {"id": 1, "account": "a", "period": 0, "side": "buy", "price": 10, "energy": 1, "tif": "day"}}"#,
        "unknown variant `day`",
    ),
    (
        r#"{"place": {"id": 1, "account": "a", "period": 0, "side": "buy", "price": 10, "energy": 1, "tif": "gtt"}}"#,
        "needs until",
    ),
    (
        r#"{"place": {"id": 1, "account": "a", "period": 0, "side": "buy", "price": 10, "energy": 1, "until": 5}}"#,
        "for gtt orders only",
    ),
    (
        r#"{"place": {"id": 1, "account": "a", "period": 0, "side": "buy", "price": 10, "energy": 1, "sources": []}}"#,
        "at least one source",
    ),
    (
        r#"{"place": {"id": 1, "account": "a", "period": 0, "side": "buy", "price": 10, "energy": 1, "sources": ["coal"]}}"#,
        "unknown variant `coal`",
    ),
    (
        r#"{"place": {"id": 1, "account": "a", "period": 0, "side": "buy", "price": 10, "energy": 1, "max_edges": 65536}}"#,
        "a count of edges",
    ),
    (r#"{"cancel_all": {}}"#, "either an account or a meter"),
    (r#"{"cancel_all": {"account": "a", "meter": "m"}}"#, "either an account or a meter"),
    (r#"{"auction": {}}"#, "either a period or periods"),
    (r#"{"auction": {"periods": []}}"#, "at least one period"),
    (r#"{"block": {"id": 1, "account": "a", "side": "buy", "price": 10, "energies": [[0]]}}"#, "tuple of size 2"),
    (r#"{"time": {"at": -5}}"#, "expected ledger milliseconds"),
    (r#"{"network": {"areas": ["A"]}}"#, "must come before the first command"),
    (r#"{"rules": {}}"#, "must come before the first command"),
    ("{\"cancel\": {\"id\": 1, \"\u{0}\": 1}}", "control character"),
];

#[test]
fn a_line_that_cannot_be_read_is_answered_with_its_number_and_changes_nothing() {
    let place = r#"{"place": {"id": 7, "account": "b", "period": 0, "side": "sell", "price": 10, "energy": 3}}"#;
    let clean = answer::<Engine>(format!("{place}\n").as_bytes(), &Settings::default());
    for (line, part) in BAD {
        let file = format!("{place}\n\n{line}\n");
        let answers = answer::<Engine>(file.as_bytes(), &Settings::default());
        let lines = without_digest(&answers);
        assert_eq!(lines[0], without_digest(&clean)[0]);
        let [_, bad] = lines[..] else { panic!("{line}: {answers}") };
        assert!(bad.contains("\"line\": 3, \"code\": \"FormLine\""), "{bad}");
        let bad: serde_json::Value = serde_json::from_str(bad).unwrap();
        let reason = bad["rejected"]["reason"].as_str().unwrap();
        assert!(reason.contains(part), "{line}\n  is answered: {reason}\n  and not:     {part}");
        assert!(reason.len() < 400 && !reason.contains(" at line "), "{reason}");

        let strict = Settings { strict: true, ..Settings::default() };
        let mut output = Vec::new();
        let stopped = run::<Engine>(file.as_bytes(), &mut output, &strict, &mut |_| {});
        assert!(matches!(stopped, Err(RunError::Strict { line: 3, .. })), "{line}: {stopped:?}");
        assert_eq!(String::from_utf8(output).unwrap().lines().collect::<Vec<_>>(), lines, "what was answered stays");
    }
}

#[test]
fn names_that_are_no_text_and_lines_that_never_end_are_refused() {
    let mut file = b"{\"cancel_all\": {\"account\": \"\xff\"}}\n".to_vec();
    file.extend(vec![b'['; LINE_BYTES_MAX + 1]);
    file.extend_from_slice(b"\n");
    file.extend(vec![b'['; 100_000]);
    file.extend_from_slice(b"\n{\"cancel\": {\"id\": 4}}");
    let answers = answer::<Engine>(&file, &Settings::default());
    let codes: Vec<(Option<u64>, String)> = without_digest(&answers)
        .iter()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["rejected"].clone())
        .map(|rejected| (rejected["line"].as_u64(), rejected["code"].as_str().unwrap().to_string()))
        .collect();
    let form = |line| (Some(line), "FormLine".to_string());
    assert_eq!(codes, [form(1), form(2), form(3), (None, "MatchUnknownOrder".to_string())]);
}

/// Lines that come before the first command, with a part of the sentence that refuses them.
const BAD_SETUPS: &[(&str, &str)] = &[
    (r#"{"network": {"areas": []}}"#, "at least one area"),
    (r#"{"network": {"areas": ["A", "A"]}}"#, "is there twice"),
    (r#"{"network": {"areas": ["A", "B"]}}"#, "a network is one tree"),
    (r#"{"network": {"areas": ["A"], "edges": [{"child": "A", "parent": "C"}]}}"#, "not among the areas"),
    (r#"{"network": {"areas": ["A", "B"], "edges": [{"child": "A", "parent": "B", "fee": 5}]}}"#, "tick"),
    (r#"{"network": {"areas": ["A", "B"], "edges": [{"child": "A", "parent": "B", "fee": -10}]}}"#, "tick"),
    (
        r#"{"network": {"areas": ["A", "B"], "edges": [{"child": "A", "parent": "B", "up": 1152921504606846977}]}}"#,
        "2^60",
    ),
    (r#"{"network": {"areas": ["A"], "tick": 0}}"#, "tick and lot must be positive"),
    (r#"{"network": {"areas": ["A"], "lot": 0}}"#, "tick and lot must be positive"),
    (r#"{"rules": {"mtu_minutes": 7}}"#, "only 5, 15, 30 and 60"),
    (r#"{"rules": {"price_min": 10, "price_max": 0}}"#, "the lower one first"),
    (r#"{"rules": {"gate_ms": 129600000}}"#, "must open before its gate closes"),
    (r#"{"rules": {"cross_area_gate_ms": 1}}"#, "cannot end later"),
    (r#"{"rules": {"periods_per_opening": 0}}"#, "between 1 and 200"),
    (r#"{"rules": {"auction_at_open": true, "call_ms": 129600000}}"#, "call phase must be over"),
];

#[test]
fn a_setup_that_makes_no_sense_is_refused_and_a_better_one_may_follow() {
    let good = "{\"rules\": {\"price_max\": 70}}\n{\"network\": {\"areas\": [\"A\"], \"tick\": 7}}\n{\"network\": {\"areas\": [\"B\"]}}\n\
        {\"place\": {\"id\": 1, \"account\": \"a\", \"area\": \"A\", \"period\": 100, \"side\": \"buy\", \"price\": 77, \"energy\": 1}}\n\
        {\"place\": {\"id\": 2, \"account\": \"a\", \"area\": \"B\", \"period\": 100, \"side\": \"buy\", \"price\": 63, \"energy\": 1}}\n";
    for (line, part) in BAD_SETUPS {
        let answers = answer::<Engine>(format!("{line}\n{good}").as_bytes(), &Settings::default());
        let lines = without_digest(&answers);
        assert!(
            lines[0].contains("\"line\": 1, \"code\": \"FormLine\"") && lines[0].contains(part),
            "{line}: {}",
            lines[0]
        );
        assert!(
            lines[1].contains("\"line\": 4") && lines[1].contains("there is a network line already"),
            "{}",
            lines[1]
        );
        assert!(lines[2].contains("\"id\": 1, \"code\": \"FormPriceLimit\""), "{}", lines[2]);
        assert!(lines[3].contains("\"id\": 2, \"code\": \"FormArea\""), "{}", lines[3]);
        assert_eq!(lines.len(), 4);
    }
}

#[test]
fn what_can_be_read_and_must_not_be_is_refused_with_its_own_code() {
    let place = |id: u64, more: &str| {
        format!(
            "{{\"place\": {{\"id\": {id}, \"account\": \"a\", \"area\": \"A\", \"period\": 0, \"side\": \"buy\", {more}}}}}\n"
        )
    };
    let plain = "\"price\": 10, \"energy\": 1";
    let mut file = String::from(
        "{\"network\": {\"areas\": [\"A\"], \"lot\": 1}}\n{\"rules\": {\"open_lead_ms\": 18446744073709551615}}\n",
    );
    let cases = [
        (format!("{plain}, \"all_or_none\": true"), "FormAllOrNone"),
        ("\"price\": 10, \"energy\": 0".to_string(), "FormZeroEnergy"),
        ("\"price\": 11, \"energy\": 1".to_string(), "FormTick"),
        ("\"price\": 2147483640, \"energy\": 1".to_string(), "FormPriceLimit"),
        ("\"price\": -2147483648, \"energy\": 1".to_string(), "FormPriceLimit"),
        (format!("{plain}, \"post_only\": true, \"tif\": \"ioc\""), "FormFlags"),
        (format!("{plain}, \"display\": 1"), "FormDisplay"),
        (format!("{plain}, \"partner\": \"a\""), "FormPartner"),
        (format!("{plain}, \"tif\": \"gtt\", \"until\": 0"), "GateExpired"),
        (format!("{plain}, \"meter\": \"taken\""), "AuthMeter"),
    ];
    file += &place(1, plain).replace("\"a\"", "\"z\", \"meter\": \"taken\"");
    for (index, (more, _)) in cases.iter().enumerate() {
        file += &place(10 + index as u64, more);
    }
    file += "{\"capacity\": {\"child\": \"A\", \"period\": 0, \"up\": 1}}\n{\"open\": {\"area\": \"nowhere\", \"period\": 0}}\n";
    let answers = answer::<Engine>(file.as_bytes(), &Settings::default());
    let codes: Vec<String> = without_digest(&answers)[1..]
        .iter()
        .map(|line| {
            serde_json::from_str::<serde_json::Value>(line).unwrap()["rejected"]["code"].as_str().unwrap().to_string()
        })
        .collect();
    let mut expected: Vec<&str> = cases.iter().map(|&(_, code)| code).collect();
    expected.extend(["FormEdge", "FormArea"]);
    assert_eq!(codes, expected);
}

/// Thousands of files that somebody dropped, cut, and typed over: none stops the run, and no line that is not JSON goes unanswered.
#[test]
fn files_full_of_faults_are_answered_to_the_end() {
    let mut lines: Vec<Vec<u8>> = Vec::new();
    for path in golden().into_iter().chain([data().join("every_command.jsonl")]) {
        lines.extend(fs::read(path).unwrap().split(|&byte| byte == b'\n').map(<[u8]>::to_vec));
    }
    lines.retain(|line| !line.is_empty());
    let mut random = Random(42);
    for _ in 0..5_000 {
        let mut file: Vec<u8> = Vec::new();
        for _ in 0..10 {
            let mut line = lines[random.below(lines.len())].clone();
            if random.below(3) > 0 {
                mutate(&mut line, &lines, &mut random);
            }
            file.extend_from_slice(&line);
            file.push(b'\n');
        }
        let answers = answer::<Engine>(&file, &spread(1 + random.below(3), 1 + random.below(12)));
        let answered: BTreeSet<u64> = without_digest(&answers)
            .iter()
            .map(|line| serde_json::from_str::<serde_json::Value>(line).expect("each answer is JSON"))
            .filter_map(|answer| answer["rejected"]["line"].as_u64())
            .collect();
        for (number, line) in (1..).zip(file.split(|&byte| byte == b'\n')) {
            let is_json = serde_json::from_slice::<serde_json::Value>(line).is_ok();
            let is_marked = number == 1 && line.starts_with(b"\xef\xbb\xbf");
            let is_fine = is_json || is_marked || line.trim_ascii().is_empty();
            assert!(is_fine || answered.contains(&number), "line {number} of {}", String::from_utf8_lossy(&file));
        }
    }
}

/// Flips, cuts, doubles, splices, or puts in a number that nobody expects.
fn mutate(line: &mut Vec<u8>, lines: &[Vec<u8>], random: &mut Random) {
    const NUMBERS: [&str; 9] =
        ["0", "-1", "1.5", "1e30", "18446744073709551615", "18446744073709551616", "4294967295", "-2147483648", "null"];
    for _ in 0..=random.below(3) {
        if line.is_empty() {
            return;
        }
        let at = random.below(line.len());
        match random.below(6) {
            0 => line[at] ^= 1 << random.below(8),
            1 => line.truncate(at),
            2 => {
                let end = (at + random.below(20)).min(line.len());
                line.drain(at..end);
            }
            3 => {
                let other = &lines[random.below(lines.len())];
                line.truncate(at);
                line.extend_from_slice(&other[random.below(other.len())..]);
            }
            4 => line.insert(at, random.below(256) as u8),
            _ => {
                let digits = line.iter().position(u8::is_ascii_digit).filter(|_| random.below(2) == 0);
                let start = digits.or_else(|| line[at..].iter().position(u8::is_ascii_digit).map(|more| at + more));
                let Some(start) = start else { continue };
                let length = line[start..].iter().take_while(|byte| byte.is_ascii_digit()).count();
                line.splice(start..start + length, NUMBERS[random.below(NUMBERS.len())].bytes());
            }
        }
    }
}

/// A small generator, so that a failure comes again.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize) % bound
    }
}

/// Order files of all commands over a few periods and areas, in which much meets.
struct Stream {
    random: Random,
    auctions: bool,
    id: usize,
}

impl Stream {
    const AREAS: [&'static str; 4] = ["root", "A", "B", "C"];

    fn new(seed: u64) -> Self {
        Self { random: Random(seed * 977 + 3), auctions: seed % 3 == 2, id: 0 }
    }

    fn file(&mut self, commands: usize) -> String {
        let mut file = String::from(
            "{\"network\": {\"areas\": [\"root\", \"A\", \"B\", \"C\"], \"tick\": 1, \"edges\": [\
             {\"child\": \"A\", \"parent\": \"root\", \"up\": 40, \"down\": 60, \"fee\": 2}, \
             {\"child\": \"B\", \"parent\": \"root\", \"up\": 50, \"down\": 30, \"fee_up\": 1}, \
             {\"child\": \"C\", \"parent\": \"B\", \"up\": 30, \"down\": 90, \"fee\": 1}]}}\n",
        );
        if self.auctions {
            file += "{\"rules\": {\"auction_at_open\": true, \"open_lead_ms\": 18446744073709551615}}\n";
        }
        for step in 0..commands {
            file += &self.command(step);
            file.push('\n');
        }
        file
    }

    fn command(&mut self, step: usize) -> String {
        let (area, period) = (Self::AREAS[self.random.below(4)], self.random.below(5));
        let (old, energy) = (self.random.below(self.id + 1), 1 + self.random.below(60));
        let price = 90 + self.random.below(21);
        match self.random.below(40) {
            0..=21 => self.place(area, period, price, energy, step),
            22..=23 => format!("{{\"cancel\": {{\"id\": {old}}}}}"),
            24..=25 => format!("{{\"reduce\": {{\"id\": {old}, \"by\": {energy}}}}}"),
            26..=28 => format!("{{\"replace\": {{\"id\": {old}, \"price\": {price}, \"energy\": {energy}}}}}"),
            29..=31 => self.basket(),
            32 => format!("{{\"capacity\": {{\"child\": \"{area}\", \"period\": {period}, \"up\": {energy}}}}}"),
            33 => format!("{{\"auction\": {{\"periods\": [{period}, {}]}}}}", self.random.below(5)),
            34 => format!("{{\"pay_as_bid\": {{\"area\": \"{area}\", \"period\": {period}}}}}"),
            35 => {
                self.id += 1;
                let (id, other) = (self.id, Self::AREAS[self.random.below(4)]);
                format!(
                    "{{\"prearranged\": {{\"id\": {id}, \"buyer\": \"a1\", \"buy_area\": \"{area}\", \"seller\": \"a2\", \
                     \"sell_area\": \"{other}\", \"period\": {period}, \"price\": {price}, \"energy\": {energy}}}}}"
                )
            }
            36 => format!("{{\"time\": {{\"at\": {}}}}}", step * 10),
            37 => format!("{{\"cancel_all\": {{\"account\": \"a{}\"}}}}", self.random.below(12)),
            38 => {
                self.id += 1;
                format!(
                    "{{\"block\": {{\"id\": {}, \"account\": \"a3\", \"area\": \"{area}\", \"side\": \"sell\", \"price\": {price}, \
                     \"energies\": [[{period}, {energy}], [{}, {energy}]]}}}}",
                    self.id,
                    period + 1
                )
            }
            _ => {
                let word = ["close", "open", "gate"][self.random.below(if self.auctions { 2 } else { 3 })];
                // Rarely a period that all else uses.
                format!("{{\"{word}\": {{\"area\": \"{area}\", \"period\": {}}}}}", self.random.below(30))
            }
        }
    }

    fn place(&mut self, area: &str, period: usize, price: usize, energy: usize, step: usize) -> String {
        self.id += 1;
        let (id, account) = (self.id, self.random.below(8));
        let side = ["buy", "sell"][self.random.below(2)];
        let more = match self.random.below(12) {
            0 => ", \"tif\": \"ioc\"".to_string(),
            1 => ", \"tif\": \"fok\"".to_string(),
            2 => format!(", \"tif\": \"gtt\", \"until\": {}", step * 10 + 200),
            3 => ", \"post_only\": true".to_string(),
            4 => ", \"display\": 3".to_string(),
            5 => ", \"sources\": [\"solar\", \"grid_mix\"]".to_string(),
            6 => ", \"max_edges\": 1".to_string(),
            7 => ", \"partner\": \"a1\"".to_string(),
            _ => String::new(),
        };
        format!(
            "{{\"place\": {{\"id\": {id}, \"account\": \"a{account}\", \"area\": \"{area}\", \"period\": {period}, \
             \"side\": \"{side}\", \"price\": {price}, \"energy\": {energy}{more}}}}}"
        )
    }

    fn basket(&mut self) -> String {
        self.id += 1;
        let basket = self.id;
        let orders: Vec<String> = (0..=self.random.below(4))
            .map(|_| {
                self.id += 1;
                let (area, period) = (Self::AREAS[self.random.below(4)], self.random.below(5));
                let (side, price) = [("buy", 115), ("sell", 85)][self.random.below(2)];
                let (id, energy) = (self.id, 1 + self.random.below(8));
                format!(
                    "{{\"id\": {id}, \"area\": \"{area}\", \"period\": {period}, \"side\": \"{side}\", \"price\": {price}, \"energy\": {energy}}}"
                )
            })
            .collect();
        format!(
            "{{\"basket\": {{\"id\": {basket}, \"account\": \"a{}\", \"orders\": [{}]}}}}",
            8 + self.random.below(3),
            orders.join(", ")
        )
    }
}
