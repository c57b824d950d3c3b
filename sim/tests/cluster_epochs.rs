//! Validators change their keys and their leaders while everything goes wrong.

use gridbook_sim::cluster::{ClusterConfig, run};

/// Agreement, equal states, nothing lost or doubled, and an end to it: all that holds of a cluster holds across epochs too.
#[test]
fn epochs_end_in_the_midst_of_all_trouble() {
    let mut epochs = 0;
    for seed in 7_000..7_012 {
        let report = run(ClusterConfig { virtual_seconds: 15, ..ClusterConfig::new(seed) }).expect("nothing is broken");
        epochs += report.epochs;
    }
    assert!(epochs > 3, "{epochs} epochs in twelve seeds: they are not the right ones");
}
