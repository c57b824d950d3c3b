//! What commands say beside their results: on standard error, and never at the price of the work. Where nobody can read it, as on a full
//! disk or after the reader has gone, the work goes on and the exit code says how it went; `eprintln!` would end the process.

use std::fmt::Arguments;
use std::io::Write as _;

/// Says a line on standard error, if it can be written.
macro_rules! note {
    ($($what:tt)*) => {
        $crate::note::say(format_args!("{}\n", format_args!($($what)*)))
    };
}

/// The same without an end of line: progress, which the next word draws over.
macro_rules! progress {
    ($($what:tt)*) => {
        $crate::note::say(format_args!($($what)*))
    };
}

/// What both come to.
pub(crate) fn say(what: Arguments<'_>) {
    let mut stderr = std::io::stderr().lock();
    // There is no better place to say that it cannot be said.
    let _ = stderr.write_fmt(what).and_then(|()| stderr.flush());
}
