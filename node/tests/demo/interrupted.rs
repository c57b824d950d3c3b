//! Ctrl-C while a day is played, while it is settled and at its end: the validators end, nothing is left behind, and what was done until then
//! is said.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// The machine may be busy with everything else.
const PATIENCE: Duration = Duration::from_secs(120);

/// A demo under way, with a directory for temporary files of its own.
struct Demo {
    home: tempfile::TempDir,
    child: Child,
    lines: Receiver<String>,
    said: Vec<String>,
}

impl Demo {
    fn start(seconds: &str) -> Self {
        Self::start_on(seconds, Stdio::piped())
    }

    /// With this as its standard output.
    fn start_on(seconds: &str, stdout: Stdio) -> Self {
        let home = tempfile::tempdir().unwrap();
        fs::create_dir(home.path().join("tmp")).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_gridbook"))
            .args(["demo", "--meters", "20", "--seconds", seconds, "--report"])
            .arg(home.path().join("report.json"))
            .env("TMPDIR", home.path().join("tmp"))
            .stdin(Stdio::null())
            .stdout(stdout)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (sender, lines) = channel();
        let outputs = [child.stdout.take().map(boxed), child.stderr.take().map(boxed)];
        for output in outputs.into_iter().flatten() {
            let sender = sender.clone();
            std::thread::spawn(move || {
                // Whoever has heard enough is gone.
                BufReader::new(output).lines().map_while(Result::ok).try_for_each(|line| sender.send(line))
            });
        }
        Self { home, child, lines, said: Vec::new() }
    }

    /// Waits until it says something like that.
    fn wait_for(&mut self, what: &str, is_it: impl Fn(&str) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let line = self.lines.recv_timeout(left).unwrap_or_else(|_| panic!("never {what}: {:#?}", self.said));
            self.said.push(line);
            if self.said.last().is_some_and(|line| is_it(line)) {
                return;
            }
        }
    }

    fn wait_for_note(&mut self, note: &str) {
        self.wait_for(note, |line| line.contains(note));
    }

    fn interrupt(&self) {
        kill_process(Pid::from_child(&self.child), Signal::INT).unwrap();
    }

    /// Its validators: processes with its network on their command lines.
    fn validators(&self) -> Vec<Pid> {
        validators_of(&self.temporary())
    }

    fn temporary(&self) -> PathBuf {
        self.home.path().join("tmp")
    }

    /// Waits for its end. It was broken off, with what was done until then; or the signal came when all was done.
    fn ends_partial_or_done(mut self) {
        let (temporary, report) = (self.temporary(), self.home.path().join("report.json"));
        let deadline = Instant::now() + PATIENCE;
        while self.child.try_wait().unwrap().is_none() {
            assert!(Instant::now() < deadline, "it does not end: {:#?}", self.said);
            std::thread::sleep(Duration::from_millis(20));
        }
        let report: Value = serde_json::from_slice(&fs::read(report).unwrap()).unwrap();
        if report["interrupted"] == true {
            self.end().is_partial();
        } else {
            // Whether a day so short was good is not what is asked here.
            assert_eq!(validators_of(&temporary), []);
            assert!(matches!(self.child.wait().unwrap().code(), Some(0 | 1)), "{:#?}", self.said);
        }
    }

    /// Waits for its end. Then nothing of it is left: no process, and no file but the report.
    fn end(mut self) -> End {
        let deadline = Instant::now() + PATIENCE;
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            if Instant::now() > deadline {
                self.child.kill().unwrap();
                panic!("it does not end: {:#?}", self.said);
            }
            std::thread::sleep(Duration::from_millis(20));
        };
        assert_eq!(self.validators(), [], "no validator is left");
        let left: Vec<_> = fs::read_dir(self.temporary()).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert!(left.is_empty(), "{left:?} is left: {:#?}", self.said);
        self.said.extend(self.lines.iter());
        let report = fs::read(self.home.path().join("report.json")).ok();
        End { status, said: self.said.join("\n"), report: report.map(|text| serde_json::from_slice(&text).unwrap()) }
    }
}

fn boxed(output: impl Read + Send + 'static) -> Box<dyn Read + Send> {
    Box::new(output)
}

fn validators_of(dir: &Path) -> Vec<Pid> {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let numbers = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    let runs_there = |number: &i32| {
        // One that has just ended has no command line.
        let line = fs::read(format!("/proc/{number}/cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&line).contains(&dir.join("gridbook-demo-").display().to_string())
    };
    numbers.filter(runs_there).filter_map(Pid::from_raw).collect()
}

/// How it ended, all that it said, and its report, if it wrote one.
struct End {
    status: ExitStatus,
    said: String,
    report: Option<Value>,
}

impl End {
    /// Broken off, with what was done until then.
    fn is_partial(&self) {
        assert_eq!(self.status.code(), Some(130), "{}", self.said);
        let report = self.report.as_ref().expect("what was done until then is reported");
        assert_eq!(report["interrupted"], true, "{report}");
        assert!(
            self.said.contains("gridbook: interrupted: the summary says what was done until then"),
            "{}",
            self.said
        );
        assert!(!self.said.contains("panicked") && !self.said.contains("the network was kept"), "{}", self.said);
    }
}

/// Whether a line shows how the day stands, with bundles on their way or final.
fn shows_the_day(line: &str) -> bool {
    line.contains("orders/s")
}

/// Once the clock has come to the end of the day, only what was traded is settled yet.
fn shows_the_end_of_the_day(line: &str) -> bool {
    line.starts_with("2025-06-19T00:00:00Z")
}

#[test]
fn a_day_that_is_interrupted_ends_its_validators_and_says_what_was_done() {
    let mut demo = Demo::start("60");
    demo.wait_for("a line of the day", shows_the_day);
    assert_eq!(demo.validators().len(), 4);
    demo.interrupt();
    let end = demo.end();
    end.is_partial();
    assert!(end.said.contains("4 validators, 20 meters") && end.said.contains(", interrupted"), "{}", end.said);
}

#[test]
fn a_day_that_is_interrupted_while_it_is_settled_ends_as_well() {
    let mut demo = Demo::start("5");
    demo.wait_for("the end of the day", shows_the_end_of_the_day);
    demo.interrupt();
    demo.ends_partial_or_done();
}

/// As soon as it can be, or a little later: on a busy machine the day may have begun before the signal is there.
#[test]
fn a_demo_that_is_interrupted_before_its_day_has_nothing_to_report() {
    let mut demo = Demo::start("60");
    demo.wait_for_note("4 validators in");
    demo.interrupt();
    let end = demo.end();
    if end.report.is_some() {
        end.is_partial();
    } else {
        assert_eq!(end.status.code(), Some(130), "{}", end.said);
        assert!(end.said.contains("interrupted: the day had not begun, so there is no summary"), "{}", end.said);
    }
}

/// The log is being executed again, or just has been: either all was checked and is good or bad, or not all of it was.
#[test]
fn a_demo_that_is_interrupted_at_its_very_end_says_how_far_it_came() {
    let mut demo = Demo::start("5");
    demo.wait_for_note("the log of validator 0 is executed again");
    demo.interrupt();
    demo.ends_partial_or_done();
}

/// A validator hangs, and whoever pressed Ctrl-C is patient: it is killed in the end, and the summary comes all the same.
#[test]
fn an_interrupted_day_has_its_summary_though_a_validator_does_not_end() {
    let mut demo = Demo::start("60");
    demo.wait_for("a line of the day", shows_the_day);
    kill_process(demo.validators()[0], Signal::STOP).unwrap();
    demo.interrupt();
    let end = demo.end();
    end.is_partial();
    assert!(end.said.contains("did not end within"), "{}", end.said);
}

/// A validator hangs. The first Ctrl-C asks all of them to end and waits; the second does not.
#[test]
fn a_second_interrupt_kills_validators_that_do_not_end() {
    let mut demo = Demo::start("60");
    demo.wait_for("a line of the day", shows_the_day);
    kill_process(demo.validators()[0], Signal::STOP).unwrap();
    demo.interrupt();
    demo.wait_for_note("the validators are stopped");
    demo.interrupt();
    let end = demo.end();
    end.is_partial();
    assert!(!end.said.contains("did not end within"), "nobody waited for it: {}", end.said);
}

/// A terminal is as it was: its settings, its cursor below the view, and no colour left on.
#[test]
fn an_interrupted_view_leaves_the_terminal_as_it_was() {
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
    use rustix::termios::tcgetattr;

    let screen = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&screen).unwrap();
    unlockpt(&screen).unwrap();
    let name = ptsname(&screen, Vec::new()).unwrap();
    let terminal = File::options().read(true).write(true).open(name.to_str().unwrap()).unwrap();
    let settings = || {
        let now = tcgetattr(&terminal).unwrap();
        (now.input_modes, now.output_modes, now.control_modes, now.local_modes)
    };
    let before = settings();

    let (shown, lines) = channel();
    let reader = std::thread::spawn(move || {
        let (mut all, mut piece) = (Vec::new(), [0; 4_096]);
        // Fails when the last who had the terminal has closed it.
        while let Ok(count @ 1..) = File::from(screen.try_clone().unwrap()).read(&mut piece) {
            all.extend_from_slice(&piece[..count]);
            // Nobody listens any more after the first view.
            let _ = shown.send(String::from_utf8_lossy(&piece[..count]).into_owned());
        }
        String::from_utf8_lossy(&all).into_owned()
    });
    let demo = Demo::start_on("60", Stdio::from(terminal.try_clone().unwrap()));
    let deadline = Instant::now() + PATIENCE;
    while !lines.recv_timeout(deadline.saturating_duration_since(Instant::now())).unwrap().contains("orders/s") {}
    demo.interrupt();
    let end = demo.end();
    assert_eq!(settings(), before);
    drop(terminal);
    let view = reader.join().unwrap();
    end.is_partial();
    assert!(view.contains("Gridbook") && view.contains("validator 3"), "it was a live view: {view:?}");
    assert!(view.contains(", interrupted"), "the summary stands below the view: {view:?}");
    assert!(view.ends_with('\n') && !view.contains("\x1b[?"), "no mode of the terminal is changed: {view:?}");
    let colours: Vec<&str> =
        view.split("\x1b[").filter_map(|part| part.split_once('m').map(|(code, _)| code)).collect();
    let last = colours.iter().rev().find(|code| code.bytes().all(|byte| byte.is_ascii_digit() || byte == b';'));
    assert_eq!(last, Some(&"0"), "what was bold ends");
}
