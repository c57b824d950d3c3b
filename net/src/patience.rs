//! How long others are waited for: they are not held to time in which this process did not run itself.

use std::time::Duration;

use tokio::time::{Instant, timeout};

/// A deadline is waited for in so many turns, so that a pause costs the one it falls into and not the whole.
const TURNS: u32 = 10;

/// A timer that fires so much too late says that this process was stopped, or had no processor.
const PAUSE_MIN: Duration = Duration::from_millis(500);

/// What the other side does within `deadline`, or nothing if it does not.
///
/// After a pause of this process the timer may be looked at before what arrived in the meantime. A turn with a pause in it is therefore
/// waited for again, ten times at most: also a node that is always late has an end, after twice the turns.
pub(crate) async fn within<T>(deadline: Duration, done: impl Future<Output = T>) -> Option<T> {
    tokio::pin!(done);
    let turn = deadline / TURNS;
    let mut left = TURNS;
    for _ in 0..2 * TURNS {
        let began = Instant::now();
        if let Ok(done) = timeout(turn, &mut done).await {
            return Some(done);
        }
        if !has_pause(turn, began.elapsed()) {
            left -= 1;
        }
        if left == 0 {
            break;
        }
    }
    None
}

/// Whether a wait that was to last for `planned` lasted so long that this process cannot have run all the time.
fn has_pause(planned: Duration, lasted: Duration) -> bool {
    lasted > planned.saturating_add(PAUSE_MIN)
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use tokio::sync::oneshot;
    use tokio::time::{advance, sleep};

    use super::*;

    const DEADLINE: Duration = Duration::from_secs(10);

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn half_a_second_too_late_is_no_pause_yet() {
        assert!(!has_pause(ms(1_000), ms(1_000)));
        assert!(!has_pause(ms(1_000), ms(1_500)));
        assert!(has_pause(ms(1_000), ms(1_501)));
        assert!(!has_pause(Duration::MAX, Duration::MAX));
    }

    #[tokio::test(start_paused = true)]
    async fn who_does_nothing_is_given_up_at_the_deadline() {
        let began = Instant::now();
        assert_eq!(within(DEADLINE, pending::<()>()).await, None);
        let waited = began.elapsed();
        assert!(waited >= DEADLINE && waited < DEADLINE + ms(50), "{waited:?}");
        assert_eq!(within(DEADLINE, sleep(ms(9_900))).await, Some(()));
        assert_eq!(within(Duration::MAX, async { 7 }).await, Some(7));
    }

    /// The process is stopped for a minute. What arrived meanwhile is seen only after the timer was looked at.
    #[tokio::test(start_paused = true)]
    async fn a_pause_of_this_process_is_not_held_against_the_other_side() {
        for asleep_after in [0, 4_700, 9_700] {
            let (arrives, arrived) = oneshot::channel();
            let waiting = tokio::spawn(within(DEADLINE, arrived));
            sleep(ms(asleep_after)).await;
            advance(Duration::from_secs(60)).await;
            // Here the one who waits has seen its timer, and nothing else.
            tokio::task::yield_now().await;
            assert!(!waiting.is_finished(), "given up, asleep after {asleep_after} ms");
            arrives.send("the rest").unwrap();
            assert_eq!(waiting.await.unwrap(), Some(Ok("the rest")));
        }
    }

    /// After the pause there is an end too, and no second deadline.
    #[tokio::test(start_paused = true)]
    async fn who_does_nothing_after_a_pause_either_is_given_up() {
        let waiting = tokio::spawn(within(DEADLINE, pending::<()>()));
        sleep(ms(4_700)).await;
        advance(Duration::from_secs(60)).await;
        let awake = Instant::now();
        assert_eq!(waiting.await.unwrap(), None);
        let waited = awake.elapsed();
        assert!(waited >= ms(5_900) && waited < ms(6_100), "{waited:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_node_that_is_always_late_waits_for_twice_the_turns_at_most() {
        let waiting = tokio::spawn(within(DEADLINE, pending::<()>()));
        let mut pauses = 0;
        while !waiting.is_finished() {
            tokio::task::yield_now().await;
            advance(Duration::from_secs(5)).await;
            pauses += 1;
            assert!(pauses < 30, "no end");
        }
        assert!(pauses >= 20, "{pauses}");
        assert_eq!(waiting.await.unwrap(), None);
    }
}
