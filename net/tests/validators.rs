//! Validators among themselves, and those who would like to be one.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod raw;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use gridbook_net::{
    BindError, Class, CloseCode, Events, PeerAddress, PeerEvent, PeerSend, ValidatorConfig, ValidatorEndpoint,
    public_key,
};
use quinn::{Connection, SendStream};
use raw::{METER, SOON, VALIDATOR, closed_with, dial, framed, free_address, here, refused_with};
use rustls::AlertDescription;
use tokio::time::timeout;

type Validator = (ValidatorEndpoint, Events<PeerEvent>);

/// Seeds in the order of their keys: of two validators here the one with the lower index has the lower key, and dials.
fn seed(index: u16) -> [u8; 32] {
    let mut seeds: Vec<[u8; 32]> = (1..=16).map(|byte| [byte; 32]).collect();
    seeds.sort_by_key(public_key);
    seeds[usize::from(index)]
}

fn peer(index: u16, address: SocketAddr) -> PeerAddress {
    PeerAddress { index, key: public_key(&seed(index)), address }
}

/// No connection here is lost because the machine had no time for the test.
const IDLE_TIMEOUT: Duration = Duration::from_secs(120);
const _: () = assert!(SOON.as_secs() < IDLE_TIMEOUT.as_secs(), "what is noticed by this timeout is not noticed soon");

fn config(index: u16, listen: SocketAddr, peers: Vec<PeerAddress>) -> ValidatorConfig {
    ValidatorConfig { idle_timeout: IDLE_TIMEOUT, ..ValidatorConfig::new(index, seed(index), listen, peers) }
}

/// Validators 0 and 1, connected; 0 dials.
async fn pair() -> (Validator, Validator) {
    let mut one = ValidatorEndpoint::bind(config(1, here(), vec![peer(0, here())])).unwrap();
    let address = one.0.local_addr().unwrap();
    let mut zero = ValidatorEndpoint::bind(config(0, here(), vec![peer(1, address)])).unwrap();
    assert_eq!(next(&mut zero.1).await, PeerEvent::Connected { peer: 1 });
    assert_eq!(next(&mut one.1).await, PeerEvent::Connected { peer: 0 });
    (zero, one)
}

async fn next(events: &mut Events<PeerEvent>) -> PeerEvent {
    timeout(SOON, events.recv()).await.expect("nothing happened").expect("endpoint has ended")
}

/// Binds a port that another endpoint of this process is just giving back.
async fn restarted(config: impl Fn() -> ValidatorConfig) -> Validator {
    let bound = async {
        loop {
            match ValidatorEndpoint::bind(config()) {
                Ok(validator) => return validator,
                Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        }
    };
    timeout(SOON, bound).await.expect("the port is not given back")
}

async fn exchange(from: &ValidatorEndpoint, to: u16, events: &mut Events<PeerEvent>, sender: u16) {
    for class in Class::ALL {
        let bytes = Bytes::from(format!("a word on {class:?}"));
        assert_eq!(from.send(to, class, bytes.clone()), PeerSend::Sent);
        assert_eq!(next(events).await, PeerEvent::Frame { peer: sender, class, bytes });
    }
}

/// Validator 1 alone, waiting for 0; its address.
fn waiting() -> (Validator, SocketAddr) {
    let one = ValidatorEndpoint::bind(config(1, here(), vec![peer(0, here()), peer(2, here())])).unwrap();
    let address = one.0.local_addr().unwrap();
    (one, address)
}

/// The harm must end with the hostile one: validator 0 connects and is heard.
async fn still_serves((one, mut events): Validator, address: SocketAddr) {
    let (zero, mut zero_events) = ValidatorEndpoint::bind(config(0, here(), vec![peer(1, address)])).unwrap();
    assert_eq!(next(&mut zero_events).await, PeerEvent::Connected { peer: 1 });
    // What the hostile one has left behind comes first, its own arrival under this name among it.
    while one.connected() != [0] || events.try_recv().is_ok() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    exchange(&zero, 1, &mut events, 0).await;
    exchange(&one, 0, &mut zero_events, 1).await;
}

/// A bare client with the key of validator 0 and a stream for each opening byte.
async fn impostor(address: SocketAddr, tags: &[u8]) -> (Connection, Vec<SendStream>) {
    let connection = dial(address, VALIDATOR, Some(seed(0))).await.unwrap();
    let mut streams = Vec::new();
    for tag in tags {
        let mut stream = connection.open_uni().await.unwrap();
        stream.write_all(&[*tag]).await.unwrap();
        streams.push(stream);
    }
    (connection, streams)
}

#[tokio::test]
async fn frames_pass_in_both_directions_on_every_class() {
    let (mut zero, mut one) = pair().await;
    exchange(&zero.0, 1, &mut one.1, 0).await;
    exchange(&one.0, 0, &mut zero.1, 1).await;
    let stats = zero.0.stats();
    assert_eq!((stats.connections, stats.connections_made), (1, 1));
    for class in Class::ALL {
        assert_eq!((stats.of(class).frames_out, stats.of(class).frames_in), (1, 1));
    }
    assert_eq!(zero.0.connected(), [1]);
}

#[tokio::test]
async fn four_validators_all_hear_each_other() {
    let mut validators: Vec<Validator> =
        (0..4).map(|own| ValidatorEndpoint::bind(config(own, here(), Vec::new())).unwrap()).collect();
    let everyone: Vec<PeerAddress> =
        (0..4).zip(&validators).map(|(index, (handle, _))| peer(index, handle.local_addr().unwrap())).collect();
    for (own, (handle, _)) in (0..4).zip(&validators) {
        let others = everyone.iter().copied().filter(|peer| peer.index != own);
        handle.follow(own, seed(own), others.collect()).unwrap();
    }
    for (handle, events) in &mut validators {
        let mut up = 0;
        while up < 3 {
            up += usize::from(matches!(next(events).await, PeerEvent::Connected { .. }));
        }
        assert_eq!(handle.stats().connections, 3);
    }
    for own in 0..4u16 {
        for to in (0..4).filter(|to| *to != own) {
            assert_eq!(validators[own as usize].0.send(to, Class::Consensus, Bytes::from(vec![7])), PeerSend::Sent);
            let heard = next(&mut validators[to as usize].1).await;
            assert_eq!(heard, PeerEvent::Frame { peer: own, class: Class::Consensus, bytes: Bytes::from(vec![7]) });
        }
    }
}

#[tokio::test]
async fn fifty_thousand_frames_arrive_in_order() {
    let ((zero, _zero_events), (one, mut events)) = pair().await;
    for number in 0..50_000u64 {
        assert_eq!(zero.send(1, Class::Log, Bytes::copy_from_slice(&number.to_le_bytes())), PeerSend::Sent);
    }
    for number in 0..50_000u64 {
        let PeerEvent::Frame { bytes, .. } = next(&mut events).await else { panic!("not a frame") };
        assert_eq!(bytes[..], number.to_le_bytes());
    }
    assert_eq!(one.stats().of(Class::Log).frames_in, 50_000);
}

/// A snapshot is under way when votes are due. Sharing the line fairly, it would be through before the votes are.
#[tokio::test]
async fn consensus_overtakes_a_sync_that_was_sent_before() {
    let ((zero, _zero_events), (_one, mut events)) = pair().await;
    assert_eq!(zero.send(1, Class::Sync, Bytes::from(vec![9; 2 << 20])), PeerSend::Sent);
    let longest = Bytes::from(vec![1; Class::Consensus.frame_bytes_max()]);
    for _ in 0..4 {
        assert_eq!(zero.send(1, Class::Consensus, longest.clone()), PeerSend::Sent);
    }
    let mut classes = Vec::new();
    for _ in 0..5 {
        let PeerEvent::Frame { class, .. } = next(&mut events).await else { panic!("not a frame") };
        classes.push(class);
    }
    assert_eq!(classes, [Class::Consensus, Class::Consensus, Class::Consensus, Class::Consensus, Class::Sync]);
}

#[tokio::test]
async fn the_longest_frame_of_every_class_passes() {
    let ((zero, _zero_events), (_one, mut events)) = pair().await;
    for class in Class::ALL {
        let bytes = Bytes::from(vec![9; class.frame_bytes_max()]);
        assert_eq!(zero.send(1, class, bytes.clone()), PeerSend::Sent);
        assert!(next(&mut events).await == PeerEvent::Frame { peer: 0, class, bytes }, "{class:?}");
    }
}

#[tokio::test]
async fn what_cannot_be_sent_is_told() {
    let (one, _) = waiting();
    assert_eq!(one.0.send(0, Class::Log, Bytes::from_static(b"x")), PeerSend::NotConnected);
    assert_eq!(one.0.send(9, Class::Log, Bytes::from_static(b"x")), PeerSend::NotConnected);
    assert_eq!(one.0.send(0, Class::Log, Bytes::new()), PeerSend::Unsendable);
    let too_long = Bytes::from(vec![0; Class::Consensus.frame_bytes_max() + 1]);
    assert_eq!(one.0.send(0, Class::Consensus, too_long), PeerSend::Unsendable);
}

/// A validator that takes nothing: its sender drops and counts, neither side's memory grows, and once it takes again
/// everything that was accepted arrives.
#[tokio::test]
async fn a_peer_that_does_not_keep_up_costs_a_bounded_queue() {
    let ((zero, _zero_events), (_one, mut events)) = pair().await;
    let mut accepted = 0u64;
    let mut dropped = 0;
    let mut frame = vec![0; 100_000];
    while dropped < 50 {
        frame[..8].copy_from_slice(&accepted.to_le_bytes());
        match zero.send(1, Class::Consensus, Bytes::copy_from_slice(&frame)) {
            PeerSend::Sent => accepted += 1,
            PeerSend::Dropped => {
                dropped += 1;
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            other => panic!("{other:?}"),
        }
    }
    let bytes = accepted * 100_000;
    assert!(bytes < 8_400_000 + 4_200_000 + 8_400_000 + 1_000_000, "{bytes} bytes were accepted");
    assert_eq!(zero.stats().of(Class::Consensus).frames_dropped, 50);
    for number in 0..accepted {
        let PeerEvent::Frame { bytes, .. } = next(&mut events).await else { panic!("not a frame") };
        assert_eq!(bytes[..8], number.to_le_bytes());
    }
}

#[tokio::test]
async fn a_restarted_validator_is_connected_again_whoever_dials() {
    let address = free_address();
    let (one, mut one_events) = ValidatorEndpoint::bind(config(1, address, vec![peer(0, here())])).unwrap();
    let (mut zero, mut zero_events) = ValidatorEndpoint::bind(config(0, here(), vec![peer(1, address)])).unwrap();
    assert_eq!(next(&mut zero_events).await, PeerEvent::Connected { peer: 1 });
    assert_eq!(next(&mut one_events).await, PeerEvent::Connected { peer: 0 });

    one.close("restarting").await;
    assert_eq!(next(&mut zero_events).await, PeerEvent::Disconnected { peer: 1 });
    assert_eq!(zero.send(1, Class::Log, Bytes::from_static(b"x")), PeerSend::NotConnected);
    drop((one, one_events));
    let (one, mut one_events) = restarted(|| config(1, address, vec![peer(0, here())])).await;
    assert_eq!(next(&mut zero_events).await, PeerEvent::Connected { peer: 1 });
    assert_eq!(next(&mut one_events).await, PeerEvent::Connected { peer: 0 });
    exchange(&zero, 1, &mut one_events, 0).await;

    zero.close("restarting too").await;
    assert_eq!(next(&mut one_events).await, PeerEvent::Disconnected { peer: 0 });
    (zero, zero_events) = ValidatorEndpoint::bind(config(0, here(), vec![peer(1, address)])).unwrap();
    assert_eq!(next(&mut one_events).await, PeerEvent::Connected { peer: 0 });
    assert_eq!(next(&mut zero_events).await, PeerEvent::Connected { peer: 1 });
    exchange(&zero, 1, &mut one_events, 0).await;
    exchange(&one, 0, &mut zero_events, 1).await;
}

/// A killed process says no goodbye. Its next life must tell the dialler so, without waiting for the idle timeout.
#[tokio::test]
async fn a_killed_validator_is_back_as_soon_as_it_is_restarted() {
    // The shorter timeout of the two counts, so both must be long for it not to help.
    let patient = |index, listen, peer| {
        let idle_timeout = Duration::from_secs(600);
        ValidatorConfig { idle_timeout, ..config(index, listen, vec![peer]) }
    };
    let address = free_address();
    let first_life = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let entered = first_life.enter();
    let one = ValidatorEndpoint::bind(patient(1, address, peer(0, here()))).unwrap();
    drop(entered);
    let (zero, mut zero_events) = ValidatorEndpoint::bind(patient(0, here(), peer(1, address))).unwrap();
    assert_eq!(next(&mut zero_events).await, PeerEvent::Connected { peer: 1 });
    first_life.shutdown_background();
    drop(one);
    tokio::time::sleep(Duration::from_millis(100)).await;

    let (_one, mut one_events) = restarted(|| patient(1, address, peer(0, here()))).await;
    // The first packet of the old connection is answered by a reset that only the holder of the seed can make.
    assert_eq!(zero.send(1, Class::Log, Bytes::from_static(b"still there?")), PeerSend::Sent);
    assert_eq!(next(&mut zero_events).await, PeerEvent::Disconnected { peer: 1 });
    assert_eq!(next(&mut zero_events).await, PeerEvent::Connected { peer: 1 });
    assert_eq!(next(&mut one_events).await, PeerEvent::Connected { peer: 0 });
    exchange(&zero, 1, &mut one_events, 0).await;
}

/// Between two signs of life of a thread, and how long one may be overdue before the thread counts as kept from running.
const BEAT: Duration = Duration::from_millis(100);
const LATE: Duration = Duration::from_millis(600);

/// When the only thread of a runtime ran last.
struct Heartbeat {
    began: Instant,
    last_ms: Arc<AtomicU64>,
}

impl Heartbeat {
    fn of(runtime: &tokio::runtime::Runtime) -> Self {
        let heartbeat = Self { began: Instant::now(), last_ms: Arc::default() };
        let (began, last_ms) = (heartbeat.began, Arc::clone(&heartbeat.last_ms));
        runtime.spawn(async move {
            loop {
                last_ms.store(u64::try_from(began.elapsed().as_millis()).unwrap(), Ordering::Relaxed);
                tokio::time::sleep(BEAT).await;
            }
        });
        heartbeat
    }

    fn is_late(&self) -> bool {
        self.began.elapsed() > Duration::from_millis(self.last_ms.load(Ordering::Relaxed)) + LATE
    }
}

/// Waits until nothing has happened for so long. If this thread was kept from running, or the peer's, their connection may have suffered, and the
/// wait begins again when it is back.
async fn undisturbed(events: &mut Events<PeerEvent>, peer: &Heartbeat, quiet: Duration) {
    let (mut began, mut late, mut is_up) = (Instant::now(), None::<Instant>, true);
    while !is_up || began.elapsed() < quiet {
        let tick = Instant::now();
        let event = timeout(BEAT, events.recv()).await;
        if tick.elapsed() > LATE || peer.is_late() {
            (began, late) = (Instant::now(), Some(Instant::now()));
        }
        if let Ok(event) = event {
            is_up = event == Some(PeerEvent::Connected { peer: 1 });
            assert!(is_up || late.is_some_and(|late| late.elapsed() < quiet / 2), "{event:?}");
            began = Instant::now();
        }
    }
}

#[tokio::test]
async fn a_dead_validator_is_noticed() {
    let life = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let entered = life.enter();
    let one = ValidatorEndpoint::bind(config(1, here(), vec![peer(0, here())])).unwrap();
    drop(entered);
    let mut quick = config(0, here(), vec![peer(1, one.0.local_addr().unwrap())]);
    // The shorter timeout of the two counts.
    quick.idle_timeout = Duration::from_millis(2_400);
    let (zero, mut zero_events) = ValidatorEndpoint::bind(quick).unwrap();
    assert_eq!(next(&mut zero_events).await, PeerEvent::Connected { peer: 1 });
    // Alive and silent is not dead.
    let (heartbeat, quiet) = (Heartbeat::of(&life), Duration::from_secs(6));
    timeout(10 * SOON, undisturbed(&mut zero_events, &heartbeat, quiet)).await.expect("never undisturbed");
    assert_eq!(zero.connected(), [1]);
    life.shutdown_background();
    drop(one);
    assert_eq!(next(&mut zero_events).await, PeerEvent::Disconnected { peer: 1 });
}

/// They are more than the first window of a connection, ten packets, and more than the second and the third: a validator that leaves without waiting
/// loses most of them. It waits for half a second; where the machine was busy for so long, another one leaves.
#[tokio::test]
async fn last_frames_are_sent_before_a_validator_leaves() {
    for _ in 0..10 {
        let ((zero, mut zero_events), (_one, mut events)) = pair().await;
        for number in 0..100u8 {
            assert_eq!(zero.send(1, Class::Log, Bytes::from(vec![number; 4_000])), PeerSend::Sent);
        }
        let leaving = Instant::now();
        zero.close("done for today").await;
        let took = leaving.elapsed();
        let mut arrived = 0;
        let end = loop {
            match next(&mut events).await {
                PeerEvent::Frame { bytes, .. } => assert_eq!(bytes, vec![arrived; 4_000]),
                other => break other,
            }
            arrived += 1;
        };
        assert_eq!(end, PeerEvent::Disconnected { peer: 0 });
        assert_eq!(next(&mut zero_events).await, PeerEvent::Disconnected { peer: 1 });
        assert_eq!(zero_events.recv().await, None);
        if arrived == 100 {
            return;
        }
        assert!(took >= Duration::from_millis(500), "only {arrived} of 100 frames have arrived");
    }
    panic!("ten validators have left, and none had the time for its last frames");
}

/// Waits until so many handshakes have failed.
async fn failed_handshakes(handle: &ValidatorEndpoint, least: u64) {
    let failed = async {
        while handle.stats().handshakes_failed < least {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(SOON, failed).await.expect("no handshake has failed");
}

#[tokio::test]
async fn a_key_outside_of_the_set_is_refused() {
    // It dials nobody, so every handshake that fails is a stranger's.
    let mut one = ValidatorEndpoint::bind(config(1, here(), vec![peer(0, here())])).unwrap();
    let address = one.0.local_addr().unwrap();
    let strangers = [
        (Some([99; 32]), AlertDescription::AccessDenied),
        (Some(seed(1)), AlertDescription::AccessDenied),
        (None, AlertDescription::HandshakeFailure),
    ];
    for (stranger, alert) in strangers {
        let failed_before = one.0.stats().handshakes_failed;
        assert_eq!(refused_with(dial(address, VALIDATOR, stranger).await).await, alert);
        failed_handshakes(&one.0, failed_before + 1).await;
    }
    assert!(one.1.try_recv().is_err());
    assert_eq!(one.0.stats().connections_made, 0);
    still_serves(one, address).await;
}

#[tokio::test]
async fn a_dialler_refuses_a_peer_with_another_key() {
    let (other, _events) = ValidatorEndpoint::bind(config(7, here(), vec![peer(0, here())])).unwrap();
    let (zero, mut events) =
        ValidatorEndpoint::bind(config(0, here(), vec![peer(1, other.local_addr().unwrap())])).unwrap();
    failed_handshakes(&zero, 1).await;
    assert!(timeout(Duration::from_millis(300), events.recv()).await.is_err());
    assert_eq!(other.stats().connections_made, 0);
}

#[tokio::test]
async fn the_meters_protocol_is_refused_on_the_validators_port() {
    let (one, address) = waiting();
    for (alpn, key) in [(METER, seed(0)), (METER, [99; 32]), (b"h3", seed(0))] {
        assert!(dial(address, alpn, Some(key)).await.is_err());
    }
    still_serves(one, address).await;
}

#[tokio::test]
async fn the_higher_key_may_not_dial() {
    let (one, address) = waiting();
    let connection = dial(address, VALIDATOR, Some(seed(2))).await.unwrap();
    assert_eq!(closed_with(&connection).await.0, CloseCode::WrongDirection);
    still_serves(one, address).await;
}

#[tokio::test]
async fn broken_frames_close_the_connection_with_their_code() {
    let (one, address) = waiting();
    let too_long = u32::try_from(Class::Consensus.frame_bytes_max()).unwrap() + 1;
    let cases: [(&[u8], CloseCode); 4] = [
        (&[0; 4], CloseCode::FrameEmpty),
        (&too_long.to_le_bytes(), CloseCode::FrameTooLong),
        (&u32::MAX.to_le_bytes(), CloseCode::FrameTooLong),
        (&framed(b"cut")[..5], CloseCode::FrameTruncated),
    ];
    for (bytes, expected) in cases {
        let (connection, mut streams) = impostor(address, &[1, 2, 3]).await;
        streams[0].write_all(bytes).await.unwrap();
        streams[0].finish().unwrap();
        assert_eq!(closed_with(&connection).await.0, expected);
    }
    assert_eq!(one.0.stats().frames_refused, 4);
    still_serves(one, address).await;
}

#[tokio::test]
async fn a_slow_frame_closes_the_connection() {
    let mut patient = config(1, here(), vec![peer(0, here())]);
    patient.frame_deadline = Duration::from_millis(200);
    let one = ValidatorEndpoint::bind(patient).unwrap();
    let address = one.0.local_addr().unwrap();
    let (connection, mut streams) = impostor(address, &[1, 2, 3]).await;
    streams[1].write_all(&framed(b"never complete")[..7]).await.unwrap();
    assert_eq!(closed_with(&connection).await.0, CloseCode::FrameTooSlow);
    still_serves(one, address).await;
}

#[tokio::test]
async fn streams_that_do_not_match_the_classes_are_refused() {
    let (one, address) = waiting();
    for tags in [[1, 1, 2], [1, 2, 4], [0, 1, 2]] {
        let (connection, _streams) = impostor(address, &tags).await;
        assert_eq!(closed_with(&connection).await.0, CloseCode::StreamUnexpected, "{tags:?}");
    }
    let (connection, _streams) = impostor(address, &[1, 2, 3]).await;
    assert!(timeout(Duration::from_millis(100), connection.open_uni()).await.is_err());
    assert!(timeout(Duration::from_millis(100), connection.open_bi()).await.is_err());
    still_serves(one, address).await;
}

#[tokio::test]
async fn a_finished_stream_does_not_leave_half_a_connection() {
    let (one, address) = waiting();
    let (connection, mut streams) = impostor(address, &[1, 2, 3]).await;
    streams[2].finish().unwrap();
    assert_eq!(closed_with(&connection).await.0, CloseCode::StreamEnded);
    still_serves(one, address).await;
}

#[tokio::test]
async fn a_newer_connection_of_the_same_peer_takes_over() {
    let (one, address) = waiting();
    let (old, _old_streams) = impostor(address, &[1, 2, 3]).await;
    old.accept_uni().await.unwrap();
    let (_new, _new_streams) = impostor(address, &[1, 2, 3]).await;
    assert_eq!(closed_with(&old).await.0, CloseCode::Replaced);
    still_serves(one, address).await;
}

#[tokio::test]
async fn dropping_the_events_stops_the_endpoint() {
    let ((zero, zero_events), (_one, mut one_events)) = pair().await;
    drop(zero_events);
    assert_eq!(next(&mut one_events).await, PeerEvent::Disconnected { peer: 0 });
    assert_eq!(zero.stats().connections_made, 1);
}

#[tokio::test]
async fn a_peer_configured_twice_is_an_error() {
    for twice in [vec![peer(1, here()), peer(1, here())], vec![peer(0, here())]] {
        let error = ValidatorEndpoint::bind(config(0, here(), twice)).err().unwrap();
        assert!(matches!(error, BindError::DuplicatePeer { .. }), "{error}");
    }
    let taken = std::net::UdpSocket::bind(here()).unwrap();
    let error = ValidatorEndpoint::bind(config(0, taken.local_addr().unwrap(), Vec::new())).err().unwrap();
    assert!(matches!(error, BindError::Socket { .. }), "{error}");
}

/// Validator 1 changes its key: 0 follows it, and whoever holds the old key is shut out, also from the connection it had.
#[tokio::test]
async fn a_rotated_key_takes_the_place_of_the_old_one() {
    let ((zero, mut zero_events), (one, mut one_events)) = pair().await;
    let address = one.local_addr().unwrap();
    assert_eq!(zero.send(1, Class::Log, Bytes::from_static(b"the proof")), PeerSend::Sent);
    zero.follow(0, seed(0), vec![PeerAddress { index: 1, key: public_key(&seed(5)), address }]).unwrap();
    let frame = PeerEvent::Frame { peer: 0, class: Class::Log, bytes: Bytes::from_static(b"the proof") };
    assert_eq!(next(&mut one_events).await, frame, "what was queued is still sent");
    assert_eq!(next(&mut one_events).await, PeerEvent::Disconnected { peer: 0 });
    assert_eq!(next(&mut zero_events).await, PeerEvent::Disconnected { peer: 1 });
    assert!(timeout(Duration::from_millis(400), zero_events.recv()).await.is_err(), "1 has its old key yet");
    one.follow(1, seed(5), vec![peer(0, here())]).unwrap();
    assert_eq!(next(&mut zero_events).await, PeerEvent::Connected { peer: 1 });
    assert_eq!(next(&mut one_events).await, PeerEvent::Connected { peer: 0 });
    exchange(&zero, 1, &mut one_events, 0).await;
    exchange(&one, 0, &mut zero_events, 1).await;
}

/// The old key of validator 0 was stolen before it was rotated away.
#[tokio::test]
async fn a_revoked_key_opens_no_connection_any_more() {
    let (mut one, address) = waiting();
    let (thief, _streams) = impostor(address, &[1, 2, 3]).await;
    assert_eq!(next(&mut one.1).await, PeerEvent::Connected { peer: 0 });
    one.0.follow(1, seed(1), vec![PeerAddress { index: 0, key: public_key(&seed(6)), address: here() }]).unwrap();
    assert_eq!(next(&mut one.1).await, PeerEvent::Disconnected { peer: 0 });
    assert_eq!(closed_with(&thief).await.0, CloseCode::Done, "the connection it had");
    let again = dial(address, VALIDATOR, Some(seed(0))).await;
    assert_eq!(refused_with(again).await, AlertDescription::AccessDenied);
    assert!(one.1.try_recv().is_err());
    assert_eq!(one.0.connected(), []);
}

/// Validator 2 takes part from the next epoch on; the connection of the others is not touched.
#[tokio::test]
async fn a_new_peer_joins_while_the_others_go_on() {
    let ((zero, mut zero_events), (one, mut one_events)) = pair().await;
    let one_at = one.local_addr().unwrap();
    let (two, mut two_events) =
        ValidatorEndpoint::bind(config(2, here(), vec![peer(0, here()), peer(1, one_at)])).unwrap();
    let two_at = two.local_addr().unwrap();
    let everyone = [peer(1, one_at), peer(2, two_at)];
    assert!(timeout(Duration::from_millis(200), two_events.recv()).await.is_err(), "nobody knows it yet");
    zero.follow(0, seed(0), everyone.to_vec()).unwrap();
    one.follow(1, seed(1), vec![peer(0, here()), peer(2, two_at)]).unwrap();
    assert_eq!(next(&mut zero_events).await, PeerEvent::Connected { peer: 2 });
    assert_eq!(next(&mut one_events).await, PeerEvent::Connected { peer: 2 });
    let up = [next(&mut two_events).await, next(&mut two_events).await];
    assert!(up.contains(&PeerEvent::Connected { peer: 0 }) && up.contains(&PeerEvent::Connected { peer: 1 }));
    exchange(&zero, 1, &mut one_events, 0).await;
    exchange(&two, 1, &mut one_events, 2).await;
    assert_eq!((zero.stats().connections_made, one.stats().connections_made), (2, 2));
    // A list that names somebody twice changes nothing.
    assert!(zero.follow(0, seed(0), vec![everyone[0], everyone[0]]).is_err());
    exchange(&zero, 2, &mut two_events, 0).await;
}
