//! The rules of consensus, each held against one production core to which all is said by hand. What becomes of whole sets in bad weather
//! and among liars is told by the stories in `gridbook-sim`.

mod accusations;
mod defects;
mod ring;
mod solo;
mod toy_log;
mod words;
