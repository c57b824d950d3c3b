use std::net::{Ipv4Addr, SocketAddr, UdpSocket};

use gridbook_ledger::crypto::SecretKey;
use gridbook_net::{Events, KeyGate, MeterEndpoint, MeterEvent, MeterServerConfig, Quotas};

use super::*;
use crate::client::{Client, connection_seed};
use crate::free_ports;

/// Somebody asked for his bill and reads that a bundle may still become final: he would think that he had sent one.
#[test]
fn a_question_without_an_answer_is_not_told_of_bundles() {
    assert_eq!(late(&RequestBody::Submit(Vec::new())), ClientError::Late);
    for question in [RequestBody::Status, RequestBody::Header { height: 3 }, RequestBody::HandIn(Vec::new())] {
        assert_eq!(late(&question), ClientError::NoAnswer);
    }
    assert!(!ClientError::NoAnswer.to_string().contains("bundle"));
}

/// A place where a validator may be, and nobody answers yet.
struct Place {
    key: SecretKey,
    address: SocketAddr,
    silent: UdpSocket,
}

impl Place {
    fn silent() -> Self {
        let address = (Ipv4Addr::LOCALHOST, free_ports::take().unwrap()).into();
        Self { key: SecretKey::generate().unwrap(), address, silent: UdpSocket::bind(address).unwrap() }
    }

    fn peer(&self) -> Peer {
        Peer { index: 0, key: self.key.public(), address: self.address }
    }

    /// Lets nobody in from now on.
    fn shut_out(self) -> (MeterEndpoint, Events<MeterEvent>) {
        drop(self.silent);
        let gate = KeyGate::new(|_| Some("go away".to_owned()));
        let config =
            MeterServerConfig { gate, ..MeterServerConfig::new(*self.key.seed(), self.address, Quotas::default()) };
        MeterEndpoint::bind(config).unwrap()
    }

    /// Answers from now on. Gives a word of each question that was answered.
    fn answer(self, answer: impl Fn(RequestId) -> Answer + Send + 'static) -> mpsc::UnboundedReceiver<()> {
        drop(self.silent);
        let config = MeterServerConfig::new(*self.key.seed(), self.address, Quotas::default());
        let (endpoint, mut events) = MeterEndpoint::bind(config).unwrap();
        let (answered, heard) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            let mut batch = Vec::new();
            while events.recv_many(&mut batch, 64).await > 0 {
                for event in batch.drain(..) {
                    if let MeterEvent::Frame { connection, bytes } = event {
                        let answer = answer(Request::decode(&bytes).unwrap().request_id);
                        let _ = endpoint.send(connection, Bytes::from(answer.encode()));
                        // The test may have heard enough.
                        let _ = answered.send(());
                    }
                }
            }
        });
        heard
    }
}

fn header(request_id: RequestId) -> Answer {
    Answer::Header { request_id, header: vec![7] }
}

fn not_here(request_id: RequestId) -> Answer {
    Answer::NotHere { request_id, from_height: 1, to_height: 9 }
}

fn patience(seconds: u64) -> Patience {
    Patience { give_up_after: Duration::from_secs(seconds), ..Patience::default() }
}

fn run(story: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(story);
}

/// A busy machine, or one that starts: nobody answers in the time that each attempt has, and the client has much more.
#[test]
fn the_first_connection_is_tried_as_long_as_an_answer_is_waited_for() {
    run(async {
        let (late, never) = (Place::silent(), Place::silent());
        let peers = vec![late.peer(), never.peer()];
        let connecting = tokio::spawn(Client::connect(peers, connection_seed().unwrap(), patience(240)));
        tokio::time::sleep(2 * CONNECT_MAX + RETRY_PAUSE).await;
        let _answered = late.answer(header);
        let (client, _events) = connecting.await.unwrap().unwrap();
        assert_eq!(client.header(1).await, Ok(vec![7]));
    });
}

/// Where others are than the list says, waiting helps nobody; neither does it where there is no list.
#[test]
fn who_is_not_whom_the_list_names_is_not_tried_again() {
    run(async {
        let (place, key) = (Place::silent(), SecretKey::generate().unwrap());
        let peers = vec![Peer { key: key.public(), ..place.peer() }];
        let _answered = place.answer(header);
        for peers in [peers, Vec::new()] {
            let connecting = Client::connect(peers, connection_seed().unwrap(), patience(1 << 40));
            let told = tokio::time::timeout(Duration::from_secs(60), connecting).await.expect("it is tried again");
            assert!(matches!(told, Err(ClientError::Unreachable(_))));
        }
    });
}

/// ```text
/// 0 1  keep nothing of it, and say so
/// 2    keeps it, and cannot be reached until the others were asked again
/// ```
#[test]
fn nobody_keeps_it_only_if_each_has_said_so() {
    run(async {
        let (first, second, third) = (Place::silent(), Place::silent(), Place::silent());
        let peers = vec![first.peer(), second.peer(), third.peer()];
        let (mut first, _second) = (first.answer(not_here), second.answer(not_here));
        let (client, _events) = Client::connect(peers, connection_seed().unwrap(), patience(240)).await.unwrap();
        let asking = tokio::spawn(async move { client.header(5).await });
        for _ in 0..2 {
            first.recv().await.unwrap();
        }
        let _third = third.answer(header);
        assert_eq!(asking.await.unwrap(), Ok(vec![7]));
    });
}

/// The third is away for good: in the end what the others said is told, and not only that it took too long.
#[test]
fn who_cannot_be_reached_does_not_hide_what_the_others_said() {
    run(async {
        let (first, second, third) = (Place::silent(), Place::silent(), Place::silent());
        let peers = vec![first.peer(), second.peer(), third.peer()];
        let _answered = (first.answer(not_here), second.answer(not_here));
        let (client, _events) = Client::connect(peers, connection_seed().unwrap(), patience(10)).await.unwrap();
        let told = client.header(5).await;
        assert_eq!(told, Err(ClientError::NotHere { from_height: 1, to_height: 9 }));
    });
}

/// The first of four validators says that this key is not served, and the others are being started again: one that lets nobody in does not decide.
/// Two of them do, whatever the others may say later.
#[test]
fn one_validator_does_not_shut_out_while_another_may_let_in() {
    run(async {
        let [liar, late, silent, other] = [(); 4].map(|()| Place::silent());
        let peers = vec![liar.peer(), late.peer(), silent.peer(), other.peer()];
        let _nobody_gets_in = liar.shut_out();
        let connecting = tokio::spawn(Client::connect(peers, connection_seed().unwrap(), patience(240)));
        tokio::time::sleep(CONNECT_MAX + RETRY_PAUSE).await;
        let _answered = late.answer(header);
        let (client, _events) = connecting.await.unwrap().unwrap();
        assert_eq!(client.header(1).await, Ok(vec![7]));

        let places = [(); 4].map(|()| Place::silent());
        let peers: Vec<_> = places.iter().map(Place::peer).collect();
        let [one, two, _silent, _other] = places;
        let _nobody_gets_in = (one.shut_out(), two.shut_out());
        let connecting = Client::connect(peers, connection_seed().unwrap(), patience(1 << 40));
        let told = tokio::time::timeout(Duration::from_secs(240), connecting).await.unwrap();
        assert!(matches!(told, Err(ClientError::ShutOut(why)) if why == "go away"));
    });
}
