// The shipped files of the lock-free edges, over whatever `crate::sync` is here.

#[allow(dead_code, unreachable_pub, reason = "a part of a crate, compiled by itself")]
#[path = "../../src/contract_table.rs"]
mod contract_table;
#[allow(dead_code, unreachable_pub, reason = "a part of a crate, compiled by itself")]
#[path = "../../src/depth.rs"]
mod depth;
#[allow(dead_code, unreachable_pub, reason = "a part of a crate, compiled by itself")]
#[path = "../../src/ingress/mod.rs"]
mod ingress;
#[allow(dead_code, unreachable_pub, reason = "a part of a crate, compiled by itself")]
#[path = "../../src/seqlock.rs"]
mod seqlock;

use gridbook_engine::{contract, units};
