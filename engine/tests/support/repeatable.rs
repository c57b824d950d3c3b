//! Randomised tests whose failures can be repeated. Every run draws new cases; a test that fails prints what draws the same ones again.

use std::hash::{BuildHasher as _, RandomState};

use proptest::test_runner::{Config, RngSeed};

/// So many cases. What a test prints is shown only if it fails: then the seed, which `PROPTEST_RNG_SEED` sets.
///
/// Failing cases are not kept in files: those would be written into the source tree, where a run by a machine leaves them unseen, and they
/// stand for other cases as soon as anything is drawn otherwise. Whoever meets a failure makes a test of the case that it shows.
pub(crate) fn cases(count: u32) -> Config {
    let asked = Config { cases: count, failure_persistence: None, ..Config::default() };
    let seed = match asked.rng_seed {
        RngSeed::Fixed(seed) => seed,
        RngSeed::Random => RandomState::new().hash_one("a seed"),
    };
    println!("PROPTEST_RNG_SEED={seed} draws these cases again");
    Config { rng_seed: RngSeed::Fixed(seed), ..asked }
}

mod tests {
    use proptest::prelude::any;
    use proptest::strategy::{Strategy as _, ValueTree as _};
    use proptest::test_runner::TestRunner;

    use super::*;

    fn drawn(config: &Config) -> Vec<u64> {
        let mut runner = TestRunner::new(config.clone());
        (0..8).map(|_| any::<u64>().new_tree(&mut runner).unwrap().current()).collect()
    }

    #[test]
    fn a_seed_draws_the_same_cases_again_and_another_run_draws_others() {
        let (one, other) = (cases(1), cases(1));
        assert_eq!(drawn(&one), drawn(&one));
        let is_asked_for = std::env::var_os("PROPTEST_RNG_SEED").is_some();
        assert_eq!(drawn(&one) == drawn(&other), is_asked_for);
        assert!(one.failure_persistence.is_none(), "nothing is written into the source tree");
    }
}
